"""Recognise files that are no text, by their first bytes."""

from __future__ import annotations

PDF = "PDF"
ZIP = "a zip archive, as DOCX, XLSX, PPTX, ODT and EPUB are"
OLE = "a document of old Office (DOC, XLS, PPT, MSG), or one with a password"
PARQUET = "Parquet"

_SIGNATURES = (
    (b"%PDF-", PDF),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
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
    (b"\x00\x00\x01\x00", "an icon"),
    (b"8BPS\x00", "a Photoshop image"),
    (b"\x7fELF", "a program (ELF)"),
    (b"MZ\x90\x00", "a program (Windows)"),
    (b"\xcf\xfa\xed\xfe", "a program (Mach-O)"),
    (b"\xca\xfe\xba\xbe", "a program (Java or Mach-O)"),
    (b"\x00asm", "a program (WebAssembly)"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"PAR1", PARQUET),
    (b"ID3\x02", "MP3 sound"),
    (b"ID3\x03", "MP3 sound"),
    (b"ID3\x04", "MP3 sound"),
    (b"OggS\x00", "Ogg sound or video"),
    (b"fLaC\x00", "FLAC sound"),
    (b"\x1aE\xdf\xa3", "Matroska or WebM video"),
    (b"wOFF", "a font"),
    (b"wOF2", "a font"),
    (b"OTTO\x00", "a font"),
    (b"\x00\x01\x00\x00\x00", "a font"),
)
"""First bytes of files, from the documentation of each format; those of printable characters begin no usual text."""
_LATER = (
    (4, b"ftyp", "MP4 video or sound"),
    (8, b"WEBP", "a WebP image"),
    (8, b"WAVE", "WAV sound"),
    (257, b"ustar", "a tar archive"),
)
"""Bytes after the first, where some byte before them is no text."""

_MARK = b"\xef\xbb\xbf"


def binary_kind(head: bytes) -> str | None:
    """What a file is that is no text, by its first bytes; None for text, and for what is not known."""
    start = head.removeprefix(_MARK).lstrip()
    for signature, kind in _SIGNATURES:
        if start.startswith(signature) or head.startswith(signature):
            return kind
    later = (kind for at, signature, kind in _LATER if head[at:].startswith(signature) and 0 in head[: at + 16])
    return next(later, None)
