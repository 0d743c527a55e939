"""Torch files written byte by byte, without torch, so that each part can be tampered with."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING
from zipfile import ZIP_STORED, ZipFile, ZipInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

CLASSES = {
    "f4": "FloatStorage",
    "f2": "HalfStorage",
    "f8": "DoubleStorage",
    "u2": "BFloat16Storage",
    "i8": "LongStorage",
}
"""Storage classes by numpy's types; a bfloat16 is given by its 16 bits."""


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    digits = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(digits)]) + digits


def numbers(values: Sequence[int]) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def name(path: str) -> bytes:
    """A class or function, as ``module name``."""
    return b"c" + path.replace(" ", "\n").encode() + b"\n"


def tensor(class_: str, key: str, stored: int, first: int, shape: Sequence[int], strides: Sequence[int]) -> bytes:
    """The instructions for one tensor."""
    storage = b"(" + text("storage") + name(f"torch {class_}") + text(key) + text("cpu") + number(stored) + b"tQ"
    hooks = name("collections OrderedDict") + b")R"
    described = storage + number(first) + numbers(shape) + numbers(strides) + b"\x89" + hooks
    return name("torch._utils _rebuild_tensor_v2") + b"(" + described + b"tR"


def listing(tensors: Mapping[str, bytes]) -> bytes:
    """A dictionary of tensors, with the attribute that torch gives it."""
    items = b"".join(text(key) + value for key, value in tensors.items())
    metadata = b"}" + text("_metadata") + name("collections OrderedDict") + b")Rs"
    return b"\x80\x02" + name("collections OrderedDict") + b")R(" + items + b"u" + metadata + b"b."


def write_entries(path: Path, entries: Mapping[str, bytes], *, compression: int = ZIP_STORED) -> Path:
    """An archive of one folder, as torch.save lays it out."""
    with ZipFile(path, "w") as archive:
        for key, content in entries.items():
            archive.writestr(ZipInfo(f"archive/{key}"), content, compress_type=compression)
    return path


def entries_of(arrays: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, bytes]:
    """The entries of a file with a storage for each array."""
    listed, data = {}, {}
    for key, (given, array) in enumerate(arrays.items()):
        strides = [stride // array.itemsize for stride in array.strides]
        listed[given] = tensor(CLASSES[array.dtype.str[1:]], str(key), array.size, 0, array.shape, strides)
        data[f"data/{key}"] = array.tobytes()
    return {"data.pkl": listing(listed), "byteorder": b"little", **data, "version": b"3\n"}


def save_torch_file(arrays: Mapping[str, npt.NDArray[np.generic]], path: Path) -> Path:
    """A file as ``torch.save`` of a model's state writes it."""
    return write_entries(path, entries_of(arrays))
