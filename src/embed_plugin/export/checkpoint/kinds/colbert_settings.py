"""Settings of a late-interaction checkpoint, in both layouts: that of ColBERT's authors, and PyLate's.

Each value changes vectors, so one that the checkpoint does not state is refused by its name.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import ExportError, SourceError
from embed_plugin.export.checkpoint.description import read_json_file
from embed_plugin.export.checkpoint.files import COLBERT_METADATA

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.export.checkpoint.description import CheckpointDescription


@dataclass(frozen=True)
class ColbertSettings:
    """How texts become tokens.

    Attributes:
        path: The file that says so.
        query_marker: The token behind the first one of a query, as the vocabulary has it.
        document_marker: The same of a document.
        query_length: Most tokens of a query, the marker included.
        document_length: Most tokens of a document.
        expands: Queries are filled up to their length.
        sees_expansion: Tokens attend to those that fill a query up.
        skipped: Tokens of a document that have no vector.
        dimension: Length of a vector, where it is stated.
    """

    path: Path
    query_marker: str
    document_marker: str
    query_length: int
    document_length: int
    expands: bool
    sees_expansion: bool
    skipped: tuple[str, ...]
    dimension: int | None = None


def read_settings(checkpoint: CheckpointDescription) -> ColbertSettings:
    """Read the settings of either layout.

    Raises:
        SourceError: a file cannot be read.
        ExportError: there is none, it lacks a value, or it asks for what is not written.
    """
    if checkpoint.modules:
        return _of_pylate(checkpoint.sentence_transformers.path, checkpoint.sentence_transformers.object_if_there())
    metadata = read_json_file(checkpoint.folder / COLBERT_METADATA)
    if not metadata.is_there:
        found = f"{checkpoint.folder} has neither {COLBERT_METADATA} nor modules.json"
        raise SourceError(f"{found}: nothing says how a ColBERT model marks and fills up its texts. Fetch it whole")
    return _of_colbert(metadata.path, metadata.object())


def _of_pylate(path: Path, config: dict[str, Any]) -> ColbertSettings:
    """``config_sentence_transformers.json``; releases before do_query_expansion was a choice always expand."""
    expands = _value(path, {"do_query_expansion": True, **config}, "do_query_expansion", bool)
    return ColbertSettings(
        path=path,
        query_marker=_marker(path, config, "query_prefix"),
        document_marker=_marker(path, config, "document_prefix"),
        query_length=_value(path, config, "query_length", int),
        document_length=_value(path, config, "document_length", int),
        expands=expands,
        sees_expansion=expands and _value(path, config, "attend_to_expansion_tokens", bool),
        skipped=tuple(map(str, _value(path, config, "skiplist_words", list))),
    )


def _of_colbert(path: Path, config: dict[str, Any]) -> ColbertSettings:
    """``artifact.metadata``: queries are always filled up."""
    for name, written in (("similarity", "cosine"), ("interaction", "colbert")):
        if config.get(name, written) != written:
            raise ExportError(f"{path} has {name} {config[name]!r}, which is not written; expected {written!r}")
    return ColbertSettings(
        path=path,
        query_marker=_marker(path, config, "query_token_id"),
        document_marker=_marker(path, config, "doc_token_id"),
        query_length=_value(path, config, "query_maxlen", int),
        document_length=_value(path, config, "doc_maxlen", int),
        expands=True,
        sees_expansion=_value(path, config, "attend_to_mask_tokens", bool),
        skipped=tuple(string.punctuation) if _value(path, config, "mask_punctuation", bool) else (),
        dimension=_value(path, config, "dim", int),
    )


def _value(path: Path, config: dict[str, Any], name: str, kind: type) -> Any:  # noqa: ANN401 - of the type `kind`
    """A value that changes vectors."""
    value = config.get(name)
    if type(value) is not kind:
        found = f"{path} says that {name} is {value!r}" if name in config else f"{path} does not say {name}"
        raise ExportError(
            f"{found}, expected a value of the type {kind.__name__}: it changes vectors, so write it there"
        )
    return value


def _marker(path: Path, config: dict[str, Any], name: str) -> str:
    """A marker, which tells a query from a document."""
    marker: str = _value(path, config, name, str)
    if not marker:
        raise ExportError(f"{path} has an empty {name}: a model without markers is not written")
    return marker
