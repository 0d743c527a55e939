"""Find the licence at the top of source code."""

from __future__ import annotations

import re

_HASH_LANGUAGES = frozenset({"bash", "php", "python", "ruby"})
_BEFORE = re.compile(r"\ufeff?(?:#![^\n]*\n)?(?:<\?php\b[^\n]*\n)?(?:#[^\n]{0,40}coding[:=][^\n]*\n)?\s*")
_HASH_COMMENT = re.compile(r"#(?!!)[^\n]*(?:\n[ \t]*#[^\n]*)*")
_SLASH_COMMENT = re.compile(r"//[^\n]*(?:\n[ \t]*//[^\n]*)*")
_BLOCK_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_LICENCE = re.compile(r"\b(?:licen[cs]ed?|copyright|SPDX-License-Identifier)\b|\(c\) ?\d{4}", re.IGNORECASE)


def licence_parts(text: str, syntax: str) -> list[tuple[int, int]]:
    """Begin and end of the comment that source code begins with, if it states a licence or a copyright.

    There is none in a file of nothing else. Before it there may be a ``#!`` line, the encoding and ``<?php``.
    """
    before = _BEFORE.match(text)
    start = before.end() if before else 0
    kinds = [_SLASH_COMMENT, _BLOCK_COMMENT]
    if syntax in _HASH_LANGUAGES:
        kinds = [_HASH_COMMENT, *(kinds if syntax == "php" else ())]
    comment = next((found for kind in kinds if (found := kind.match(text, start))), None)
    if comment is None or not _LICENCE.search(comment[0]) or not text[comment.end() :].strip():
        return []
    return [comment.span()]
