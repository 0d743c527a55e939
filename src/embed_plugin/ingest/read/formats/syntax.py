"""The syntax of a text file, by its suffix: Markdown, or a programming language."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SYNTAXES: Mapping[str, str] = {
    ".md": "markdown",
    ".markdown": "markdown",
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
"""Suffixes of text with a syntax, as :attr:`Record.syntax` names it; ``chunk/splitters.py`` has the grammars."""


def syntax_of(path: Path) -> str:
    """The syntax of a file; ``text`` for plain text."""
    return SYNTAXES.get(path.suffix.lower(), "text")
