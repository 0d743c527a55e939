"""Which format a file has, and what kind of text is in it, by its suffix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

Format: TypeAlias = Literal["auto", "text", "html", "jsonl", "csv", "tsv", "parquet"]
"""text, html: one record per file. jsonl, csv, tsv, parquet: one per line or row. auto: by the file's suffix."""

CODE_SUFFIXES = {
    ".bash": "bash",
    ".c": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cs": "c_sharp",
    ".cxx": "cpp",
    ".go": "go",
    ".h": "c",
    ".hpp": "cpp",
    ".java": "java",
    ".js": "javascript",
    ".jsx": "javascript",
    ".mjs": "javascript",
    ".php": "php",
    ".py": "python",
    ".pyi": "python",
    ".rb": "ruby",
    ".rs": "rust",
    ".sh": "bash",
    ".ts": "typescript",
    ".tsx": "tsx",
}
"""Programming languages, as :attr:`Record.syntax` names them."""

_FORMATS: dict[str, Format] = {
    **dict.fromkeys((".txt", ".rst", ".md", ".markdown", *CODE_SUFFIXES), "text"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
_GZIPPED = frozenset({"jsonl", "csv", "tsv"})


def suffix_of(path: Path) -> str:
    """The suffix in lower case; of ``a.jsonl.gz`` ``.jsonl``, where what is in it is read line by line."""
    if is_gzipped(path):
        path = path.with_suffix("")
    return path.suffix.lower()


def is_gzipped(path: Path) -> bool:
    """Whether it is a compressed file of lines."""
    return path.suffix.lower() == ".gz" and _FORMATS.get(path.with_suffix("").suffix.lower()) in _GZIPPED


def format_of(path: Path) -> Format | None:
    """The format that the suffix says; None where it says none."""
    return _FORMATS.get(suffix_of(path))


def syntax_of(path: Path) -> str:
    """What kind of text is in a file: ``text``, ``markdown`` or a programming language."""
    suffix = suffix_of(path)
    return "markdown" if suffix in {".md", ".markdown"} else CODE_SUFFIXES.get(suffix, "text")
