"""Read the numbers of a torch file: the entries of its zip archive, in place and one tensor at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np

from embed_plugin.errors import SourceError
from embed_plugin.export.checkpoint.torch_file.listing import NotAListingError, StoredTensor, read_listing

if TYPE_CHECKING:
    from pathlib import Path
    from zipfile import ZipInfo

    import numpy.typing as npt

LISTING, DATA, BYTE_ORDER = "data.pkl", "data/", "byteorder"
MOST_LISTING_BYTES = 64_000_000
ZIP_MAGIC, LOCAL_HEADER_BYTES = b"PK\x03\x04", 30

_ITEM_BYTES = {"BF16": 2, "BOOL": 1, "F16": 2, "F32": 4, "F64": 8, "I16": 2, "I32": 4, "I64": 8, "I8": 1, "U8": 1}
_NUMPY_TYPES = {"BF16": "<u2", "F16": "<f2", "F32": "<f4", "F64": "<f8"}


class Entry(NamedTuple):
    """The place of an entry's bytes in the file."""

    start: int
    size: int


class TorchFile:
    """The tensors that ``torch.save`` wrote into one file; only their list is in memory."""

    def __init__(self, path: Path) -> None:
        """Read the list of tensors, and check that each lies in the file.

        Raises:
            SourceError: the file is damaged, tampered with, of an older form or of other content.
        """
        self.path = path
        try:
            self._require_zip()
            with ZipFile(path) as archive:
                members = self._members(archive)
            self.entries = {name: self._place(member) for name, member in members.items()}
            self.tensors = read_listing(self._bytes(LISTING, MOST_LISTING_BYTES))
        except (BadZipFile, OSError, NotImplementedError) as error:
            raise self._refusal(f"it is no readable archive: {error}") from error
        except NotAListingError as error:
            raise self._refusal(f"{LISTING}: {error}") from error
        if BYTE_ORDER in self.entries and self._bytes(BYTE_ORDER, 16) != b"little":
            raise self._refusal("its numbers are big-endian")
        for name, tensor in self.tensors.items():
            self._require_inside(name, tensor)

    def names(self) -> list[str]:
        """The names of all tensors."""
        return list(self.tensors)

    def dtype(self, name: str) -> str:
        """A tensor's number format, as safetensors calls it."""
        return self.tensors[name].storage.dtype

    def read(self, name: str) -> npt.NDArray[np.float32]:
        """Read a tensor of a float format as float32; of its storage only what it spans is read."""
        tensor = self.tensors[name]
        dtype = np.dtype(_NUMPY_TYPES[tensor.storage.dtype])
        start = self.entries[DATA + tensor.storage.key].start + tensor.first * dtype.itemsize
        with self.path.open("rb") as file:
            file.seek(start)
            numbers = np.fromfile(file, dtype, tensor.span)
        steps = tuple(stride * dtype.itemsize for stride in tensor.strides)
        view = np.lib.stride_tricks.as_strided(numbers, tensor.shape, steps, writeable=False)
        if tensor.storage.dtype == "BF16":  # the upper half of a float32
            return (view.astype(np.uint32) << 16).view(np.float32)
        return np.array(view, np.float32, order="C")

    def _require_zip(self) -> None:
        with self.path.open("rb") as file:
            if file.read(len(ZIP_MAGIC)) != ZIP_MAGIC:
                raise self._refusal(
                    "it is no zip archive, so it is damaged or was saved by torch before 1.6, as a pickle alone"
                )

    def _members(self, archive: ZipFile) -> dict[str, ZipInfo]:
        """The entries by their name inside the one folder that torch puts them into."""
        members = archive.infolist()
        folders = {member.filename.partition("/")[0] for member in members}
        found = {member.filename.partition("/")[2]: member for member in members}
        if len(folders) != 1 or len(found) != len(members) or LISTING not in found:
            raise self._refusal(f"expected one folder with {LISTING} and no name twice, as torch.save writes it")
        packed = [name for name, each in found.items() if each.compress_type != ZIP_STORED or each.flag_bits & 1]
        if packed:
            raise self._refusal(
                f"its entry {packed[0]!r:.80} is compressed or encrypted, and torch.save writes no such entry"
            )
        return found

    def _place(self, member: ZipInfo) -> Entry:
        """Where an entry's bytes are: behind its own header, whose length the list of entries does not state."""
        with self.path.open("rb") as file:
            file.seek(member.header_offset)
            header = file.read(LOCAL_HEADER_BYTES)
            lengths = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
            name = file.read(lengths[0])
            end = file.seek(0, 2)
        entry = Entry(member.header_offset + LOCAL_HEADER_BYTES + sum(lengths), member.file_size)
        is_other = not header.startswith(ZIP_MAGIC) or name != member.orig_filename.encode()
        if is_other or entry.size != member.compress_size or entry.start + entry.size > end:
            raise self._refusal(f"its entry {member.filename!r:.80} is not where the list of entries says")
        return entry

    def _bytes(self, name: str, most: int) -> bytes:
        """The content of a small entry."""
        entry = self.entries[name]
        if entry.size > most:
            raise self._refusal(f"its entry {name} has {entry.size:,} bytes, expected at most {most:,}")
        with self.path.open("rb") as file:
            file.seek(entry.start)
            return file.read(entry.size)

    def _require_inside(self, name: str, tensor: StoredTensor) -> None:
        """Check that a tensor has no number outside its storage, none twice, and its storage is in the file."""
        entry = self.entries.get(DATA + tensor.storage.key)
        size = tensor.storage.size
        if entry is None or size * _ITEM_BYTES[tensor.storage.dtype] > entry.size:
            raise self._refusal(f"tensor {name!r:.80} has {size:,} numbers, and the file holds fewer")
        elements = int(np.prod(tensor.shape, dtype=object))
        if tensor.first + tensor.span > size or elements > tensor.span:
            found = (
                f"tensor {name!r:.80} has the shape {tensor.shape}, strides {tensor.strides} and offset {tensor.first}"
            )
            raise self._refusal(f"{found}, which do not fit the {size:,} numbers it is stored as")

    def _refusal(self, found: str) -> SourceError:
        return SourceError(f"{self.path} is not read: {found}. {conversion(str(self.path.parent))}")


def conversion(source: str) -> str:
    """The command that saves a checkpoint in the formats that are read."""
    code = f"from sentence_transformers import SentenceTransformer as S; S({source!r}).save('NEW')"
    return f'Where you trust the model, run  python -c "{code}"  and use the folder NEW'
