"""Write what an encoder gives: .npy and .npz files, and lines of JSON."""

from __future__ import annotations

import json
import os
import zipfile
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import embed_plugin
from embed_plugin.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from embed_plugin import SparseVector

    Vector = npt.NDArray[np.float32]

Numbers: TypeAlias = Literal["float32", "float16", "int8", "binary"]
"""Numbers that vectors are written in."""


class Rows(NamedTuple):
    """Vectors as they are written.

    Attributes:
        items: One array a vector.
        type: Of one of them.
    """

    items: Iterator[npt.NDArray[Any]]
    type: np.dtype[Any]


def in_numbers(vectors: Iterator[Vector], numbers: Numbers, dimension: int) -> Rows:
    """Turn vectors into the numbers that were asked for.

    Raises:
        InvalidInputError: bits of a dimension that is no multiple of 8.
    """
    import numpy as np  # noqa: PLC0415 - other commands need no numpy

    from embed_plugin.numbers import require_bytes, to_binary, to_float16, to_int8  # noqa: PLC0415

    if numbers == "float16":
        return Rows((to_float16(each) for each in vectors), np.dtype(("<f2", dimension)))
    if numbers == "binary":
        require_bytes(dimension)
        return Rows((to_binary(each[None])[0] for each in vectors), np.dtype(("u1", dimension // 8)))
    if numbers == "int8":
        row = np.dtype([("values", "i1", dimension), ("scale", "<f4")])
        rounded = (to_int8(each[None]) for each in vectors)
        return Rows((np.array((each.values[0], each.scales[0]), row) for each in rounded), row)
    return Rows(vectors, np.dtype(("<f4", dimension)))


def write_jsonl(vectors: Iterable[npt.NDArray[Any] | SparseVector]) -> int:
    """Print a line of JSON for each text; returns their number."""
    count = 0
    for vector in vectors:
        print(json.dumps(_as_json(vector)))  # noqa: T201 - the command's output
        count += 1
    return count


def _as_json(vector: npt.NDArray[Any] | SparseVector) -> object:
    """Return a vector as a list of numbers, or as its fields: values and scale, or indices and values."""
    if isinstance(vector, embed_plugin.SparseVector):
        return {"indices": vector.indices.tolist(), "values": vector.values.tolist()}
    fields = vector.dtype.names
    return {name: vector[name].tolist() for name in fields} if fields else vector.tolist()


def write_npy(rows: Iterable[npt.NDArray[Any]], path: Path, row: np.dtype[Any]) -> int:
    """Write rows of one type one by one; the file appears whole or not at all.

    numpy pads the header of a ``.npy`` file so that the number of rows can be written once it is known.
    """
    from numpy.lib.format import dtype_to_descr, write_array_header_1_0  # noqa: PLC0415 - other commands need no numpy

    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    header = {"descr": dtype_to_descr(row.base), "fortran_order": False}
    count = 0
    try:
        with partial.open("wb") as file:
            write_array_header_1_0(file, {**header, "shape": (0, *row.shape)})
            start = file.tell()
            for each in rows:
                file.write(each.astype(row.base).tobytes())
                count += 1
            file.seek(0)
            write_array_header_1_0(file, {**header, "shape": (count, *row.shape)})
            if file.tell() != start:
                raise OutputError(f"{path}: the header of {count} rows does not fit")
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error})") from error
    finally:
        partial.unlink(missing_ok=True)
    return count


def write_npz(texts: Iterable[Vector], path: Path, dimension: int) -> int:
    """Write token vectors: all of them in one array, and the number of each text's; returns the number of texts.

    The file appears whole or not at all, and memory holds one text's vectors and the numbers.
    """
    import numpy as np  # noqa: PLC0415 - other commands need none

    lengths: list[int] = []

    def tokens() -> Iterator[Vector]:
        for vectors in texts:
            lengths.append(len(vectors))
            yield from vectors

    rows, partial = (path.with_name(f".{path.name}.{os.getpid()}.{name}") for name in ("rows", "partial"))
    try:
        write_npy(tokens(), rows, np.dtype(("<f4", dimension)))
        with zipfile.ZipFile(partial, "w") as file:
            file.write(rows, "vectors.npy")
            with file.open("lengths.npy", "w") as member:
                np.save(member, np.array(lengths, dtype=np.int64))
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error})") from error
    finally:
        rows.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)
    return len(lengths)
