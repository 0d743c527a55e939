"""Splitters for each kind of text.

A programming language is one line here, for its grammar, and one in ``read/formats/syntax.py``, for its suffix.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from semantic_text_splitter import CodeSplitter, MarkdownSplitter, TextSplitter

if TYPE_CHECKING:
    from collections.abc import Callable

_GRAMMARS = {
    "bash": "tree_sitter_bash.language",
    "c": "tree_sitter_c.language",
    "c_sharp": "tree_sitter_c_sharp.language",
    "cpp": "tree_sitter_cpp.language",
    "go": "tree_sitter_go.language",
    "java": "tree_sitter_java.language",
    "javascript": "tree_sitter_javascript.language",
    "php": "tree_sitter_php.language_php",
    "python": "tree_sitter_python.language",
    "ruby": "tree_sitter_ruby.language",
    "rust": "tree_sitter_rust.language",
    "tsx": "tree_sitter_typescript.language_tsx",
    "typescript": "tree_sitter_typescript.language_typescript",
}


class Splitter(Protocol):
    """Cuts a text into pieces of a maximum number of tokens."""

    def chunk_indices(self, text: str) -> list[tuple[int, str]]:
        """The pieces in order, without white space at their ends, each behind the index of its first character."""


@cache
def is_splittable(syntax: str) -> bool:
    """Return whether there is a splitter for this kind of text.

    For source code, its grammar must be installed, in a version that the splitter can use.
    """
    if syntax in {"text", "markdown"}:
        return True
    try:
        return syntax in _GRAMMARS and bool(CodeSplitter(_language(syntax), 1))
    except (ImportError, AttributeError, TypeError, ValueError):
        return False


def make_splitter(syntax: str, count: Callable[[str], int], *, capacity: int, overlap: int) -> Splitter:
    """Make the splitter for a kind of text.

    Args:
        syntax: ``text``, ``markdown`` or a programming language whose grammar is installed.
        count: Counts the tokens of a text. The splitter passes on an exception that it raises.
        capacity: Maximum tokens of a piece.
        overlap: Maximum tokens that a piece repeats of the one before it.
    """
    kind: Any
    language: tuple[object, ...] = ()
    if syntax in {"text", "markdown"}:
        kind = MarkdownSplitter if syntax == "markdown" else TextSplitter
    else:
        kind, language = CodeSplitter, (_language(syntax),)
    return cast("Splitter", kind.from_callback(*language, count, capacity, overlap=overlap))


def _language(syntax: str) -> object:
    module, _, function = _GRAMMARS[syntax].partition(".")
    return getattr(import_module(module), function)()
