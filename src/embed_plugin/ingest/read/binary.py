"""Recognise files that are no text, by their first bytes."""

from __future__ import annotations

_SIGNATURES = (
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "a zip archive, as DOCX, XLSX, PPTX, ODT and EPUB are"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of old Office (DOC, XLS, PPT, MSG)"),
    (rb"{\rtf", "RTF"),
    (b"%!PS-", "PostScript"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"BZh91AY&SY", "compressed by bzip2"),
    (b"\xfd7zXZ\x00", "compressed by xz"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"\x7fELF", "a program (ELF)"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"PAR1", "Parquet"),
)
"""First bytes of files, from the documentation of each format; those of printable characters begin no usual text."""

_MARK = b"\xef\xbb\xbf"


def binary_kind(head: bytes) -> str | None:
    """What a file is that is no text, by its first bytes; None for text, and for what is not known."""
    start = head.removeprefix(_MARK).lstrip()
    return next((kind for signature, kind in _SIGNATURES if start.startswith(signature)), None)
