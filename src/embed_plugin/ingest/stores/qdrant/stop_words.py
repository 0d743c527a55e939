"""Stop words by language: words that BM25 leaves out, as ``stop_words.toml`` has them."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files


def stop_words_of(language: str) -> frozenset[str]:
    """The stop words of a language, in lower case; none for a language without a list."""
    return frozenset(_lists().get(language, "").split())


@lru_cache
def _lists() -> dict[str, str]:
    return tomllib.loads((files(__package__) / "stop_words.toml").read_text(encoding="utf-8"))
