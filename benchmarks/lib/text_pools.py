"""Material that every machine has: a model's vocabulary, and the standard library's docstrings and functions."""

from __future__ import annotations

import ast
import json
import random
import sysconfig
import textwrap
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lib.workloads import standard_library_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTION_LINES = range(2, 80)
FILES = 80
DOCSTRINGS = 2000
_MARKS = ("\u2581", "\u0120")
"""Marks at the beginning of a word, of SentencePiece and of byte-level BPE."""


@dataclass(frozen=True)
class Pools:
    """What texts are put together from.

    Attributes:
        words: Whole words of the vocabulary, in Latin letters.
        fragments: Pieces that go on with a word.
        sentences: Docstrings.
        functions: Sources of functions.
    """

    words: list[str]
    fragments: list[str]
    sentences: list[str]
    functions: list[str]


def read_pools(folder: Path) -> Pools:
    """Read the pools for a model folder; its tokenizer has the vocabulary."""
    words, fragments = read_vocabulary(folder / "tokenizer.json")
    return Pools(words, fragments, standard_library_texts(DOCSTRINGS), standard_library_functions())


def read_vocabulary(tokenizer_json: Path) -> tuple[list[str], list[str]]:
    """Read the whole words of Latin letters, and the pieces that go on with a word, sorted."""
    vocabulary = json.loads(tokenizer_json.read_text(encoding="utf-8"))["model"]["vocab"]
    tokens = [token[0] if isinstance(token, list) else token for token in vocabulary]
    marked = any(token.startswith(_MARKS) for token in tokens)
    words: set[str] = set()
    fragments: set[str] = set()
    for token in tokens:
        piece = token.removeprefix("##").lstrip("".join(_MARKS))
        if piece.isascii() and piece.isalpha():
            (words if token.startswith(_MARKS) or (not marked and piece == token) else fragments).add(piece)
    return sorted(words), sorted(fragments or words)


def standard_library_functions() -> list[str]:
    """Sources of the functions in a seeded sample of the standard library's files."""
    root = Path(sysconfig.get_path("stdlib"))
    files = sorted(path for path in root.rglob("*.py") if not {"site-packages", "test", "tests"} & set(path.parts))
    chosen = random.Random(0).sample(files, min(FILES, len(files)))  # noqa: S311 - a seeded choice, no secret
    return list(dict.fromkeys(source for path in chosen for source in _functions(path)))


def _functions(path: Path) -> Iterator[str]:
    try:
        source = path.read_text(encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old files have escapes that warn
            tree = ast.parse(source)
    except (SyntaxError, UnicodeDecodeError):  # lib2to3 carries such files on purpose
        return
    lines = source.splitlines()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            part = lines[node.lineno - 1 : node.end_lineno]
            function = textwrap.dedent("\n".join(part))
            if len(part) in FUNCTION_LINES and not function[0].isspace():  # a string in it may begin farther left
                yield function
