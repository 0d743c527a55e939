"""Layouts of a chunk in a point's payload, each in the form that one framework reads."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast

from embed_plugin.ingest.stores.sink import Stored, StoredChunk

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.ingest.records import JSON, Chunk

LayoutName: TypeAlias = Literal["plain", "langchain", "llama-index"]
"""plain: ``text`` and ``metadata``. langchain and llama-index: what the ``QdrantVectorStore`` of each reads."""

LEDGER_KEYS = ("source_name", "source_file", "source_id", "chunk_index", *Stored._fields)
"""Keys at the top of every payload, whatever the layout; changes are found by them."""

_FIELDS = "prefix_fields"
"""A further one where fields were filled into the document prefix before the text: their values by name."""

_NAMED_FIELDS = {("source",): ("source_name",), ("record",): ("source_id",)}
"""The keys of the ledger that conditions name, as :func:`payload_path` reads them."""

_MARKS = ("text_hash", "record_hash", "metadata_hash")
"""The keys of the ledger that no other program's payload has; it may well have a ``source_id`` of its own."""


class PayloadLayout(Protocol):
    """The places of text and metadata in a payload."""

    def write(self, chunk: Chunk, point_id: str) -> dict[str, JSON]:
        """The whole payload of a chunk's point."""

    def text(self, payload: Mapping[str, Any]) -> str:
        """The chunk's text; empty if there is none."""

    def metadata(self, payload: Mapping[str, Any]) -> Mapping[str, JSON]:
        """The record's metadata; empty if there is none."""

    def metadata_path(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """The keys in the payload of a field of the metadata."""

    def embedded_text(self, payload: Mapping[str, Any]) -> str | None:
        """The text that a point of another program has the vector of; None if the payload has none."""

    def opened_by(self, collection: str, vector: str) -> str:
        """The line of Python that reads the collection's vectors of a name; the name is empty for unnamed ones."""


@dataclass(frozen=True)
class KeyedLayout:
    """Text and metadata each under a key of their own.

    Attributes:
        text_key: The key of the text; the metadata is under ``metadata``.
        opening: The line that reads it, with the places ``{collection}`` and ``{vector}``.
        vector_argument: The argument of that line that names the vector.
    """

    text_key: str
    opening: str
    vector_argument: str

    def write(self, chunk: Chunk, point_id: str) -> dict[str, JSON]:
        """The whole payload of a chunk's point."""
        del point_id
        return {self.text_key: chunk.text, "metadata": _cited(chunk), **_ledger(chunk)}

    def text(self, payload: Mapping[str, Any]) -> str:
        """The chunk's text; empty if there is none."""
        return self.embedded_text(payload) or ""

    def metadata(self, payload: Mapping[str, Any]) -> Mapping[str, JSON]:
        """The record's metadata, and what a citation needs; empty if there is none."""
        return _object(payload.get("metadata"))

    def metadata_path(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """The keys in the payload of a field of the metadata."""
        return ("metadata", *path)

    def embedded_text(self, payload: Mapping[str, Any]) -> str | None:
        """The text that a point of another program has the vector of; None if the payload has none."""
        text = payload.get(self.text_key)
        return text if isinstance(text, str) else None

    def opened_by(self, collection: str, vector: str) -> str:
        """The line of Python that reads the collection's vectors of a name; the name is empty for unnamed ones."""
        argument = f", {self.vector_argument}={json.dumps(vector)}" if vector else ""
        return self.opening.format(collection=json.dumps(collection), vector=argument)


class NodeLayout:
    """A LlamaIndex ``TextNode`` as JSON, whose source node is the record: ``NAME/ID`` where its source has a name.

    The metadata is in the node, and again at the top of the payload, where that store's filters look for it. There, a
    key of the ledger or of LlamaIndex takes precedence over a metadata key of the same name.
    """

    def write(self, chunk: Chunk, point_id: str) -> dict[str, JSON]:
        """The whole payload of a chunk's point."""
        document = f"{chunk.source_name}/{chunk.source_id}" if chunk.source_name else chunk.source_id
        source = {"node_id": document, "node_type": "4", "metadata": {}, "class_name": "RelatedNodeInfo"}
        metadata = _cited(chunk)
        node = {
            "id_": point_id,
            "metadata": metadata,
            "relationships": {"1": source},
            "text": chunk.text,
            "class_name": "TextNode",
        }
        return {
            **{key: value for key, value in metadata.items() if key != _FIELDS},
            **dict.fromkeys(("document_id", "doc_id", "ref_doc_id"), document),
            "_node_content": json.dumps(node, ensure_ascii=False),
            "_node_type": "TextNode",
            **_ledger(chunk),
        }

    def text(self, payload: Mapping[str, Any]) -> str:
        """The chunk's text; empty if there is none."""
        return _node_text(self._node(payload)) or ""

    def metadata(self, payload: Mapping[str, Any]) -> Mapping[str, JSON]:
        """The record's metadata; empty if there is none."""
        return _object(self._node(payload).get("metadata"))

    def metadata_path(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """The keys in the payload of a field of the metadata, which is at the top there."""
        return path

    def embedded_text(self, payload: Mapping[str, Any]) -> str | None:
        """The text that a point of another program has the vector of; None if the payload has none.

        LlamaIndex embeds a node's metadata with its text, by templates that are in the node.
        """
        node = self._node(payload)
        text, hidden = _node_text(node), node.get("excluded_embed_metadata_keys")
        kept = {
            key: value
            for key, value in _object(node.get("metadata")).items()
            if not (isinstance(hidden, list) and key in hidden)
        }
        line = str(node.get("metadata_template", "{key}: {value}"))
        lines = (_filled(line, {"key": key, "value": str(value)}) for key, value in kept.items())
        metadata = str(node.get("metadata_separator", node.get("metadata_seperator", "\n"))).join(lines).strip()
        if text is None or not metadata:
            return text
        template = str(node.get("text_template", "{metadata_str}\n\n{content}"))
        return _filled(template, {"content": text, "metadata_str": metadata}).strip()

    def opened_by(self, collection: str, vector: str) -> str:
        """The line of Python that reads the collection's vectors of a name; the name is empty for unnamed ones."""
        argument = f", dense_vector_name={json.dumps(vector)}" if vector else ""
        return f"QdrantVectorStore(client=client, collection_name={json.dumps(collection)}{argument})"

    def _node(self, payload: Mapping[str, Any]) -> Mapping[str, JSON]:
        try:
            return _object(json.loads(payload.get("_node_content", "{}")))
        except (TypeError, ValueError):
            return {}


LAYOUTS: Mapping[str, PayloadLayout] = {
    "plain": KeyedLayout("text", "client.query_points({collection}, query=vector{vector})", "using"),
    "langchain": KeyedLayout(
        "page_content",
        "QdrantVectorStore(client=client, collection_name={collection}, embedding=embeddings{vector})",
        "vector_name",
    ),
    "llama-index": NodeLayout(),
}
"""Every layout by its name."""

LAYOUT_KEYS: Mapping[str, LayoutName] = {"_node_content": "llama-index", "page_content": "langchain", "text": "plain"}
"""The key that tells each layout; LlamaIndex's store has metadata at the top, where any of the others may be a key."""


def payload_path(layout: PayloadLayout, path: tuple[str, ...]) -> tuple[str, ...]:
    """The keys in the payload of the field that a condition names; see :class:`.Condition`."""
    if path in _NAMED_FIELDS:
        return _NAMED_FIELDS[path]
    return layout.metadata_path(path[1:] if path[0] == "metadata" and len(path) > 1 else path)


def layout_of(payload: Mapping[str, Any]) -> LayoutName | None:
    """The layout in which a payload of another program has its text; None if there is none."""
    return next((name for key, name in LAYOUT_KEYS.items() if key in payload), None)


def is_foreign(payload: Mapping[str, Any]) -> bool:
    """Return whether another program made the point: its payload has none of the ledger's hashes."""
    return not any(key in payload for key in _MARKS)


def stored_of(payload: Mapping[str, Any]) -> Stored:
    """The source hashes in a point's payload, the same for every layout."""
    text, record, metadata = (str(payload.get(name, "")) for name in Stored._fields[:-1])
    return Stored(text, record, metadata, _whole(payload.get("chunk_count")))


def chunk_of(
    layout: PayloadLayout,
    point_id: str,
    payload: Mapping[str, Any],
    vector: npt.NDArray[np.float32] | None = None,
) -> StoredChunk:
    """Make a stored chunk of a point."""
    return StoredChunk(
        id=point_id,
        source_id=str(payload.get("source_id", "")),
        index=_whole(payload.get("chunk_index")),
        stored=stored_of(payload),
        text=layout.text(payload),
        metadata=layout.metadata(payload),
        vector=vector,
        source_name=str(payload.get("source_name", "")),
        file=str(payload.get("source_file", "")),
        is_foreign=is_foreign(payload),
        fields={name: value for name, value in _object(payload.get(_FIELDS)).items() if isinstance(value, str)},
    )


def _cited(chunk: Chunk) -> dict[str, JSON]:
    """The metadata with what a citation needs; a key of the record's own takes precedence."""
    cited: dict[str, JSON] = {"record_id": chunk.source_id, "chunk": chunk.index}
    if chunk.path:
        cited |= {"source": chunk.path, "title": PurePosixPath(chunk.file).name}
    if chunk.title:
        cited["title"] = chunk.title
    if chunk.headings:
        cited["headings"] = list(chunk.headings)
    if chunk.lines:
        cited["first_line"], cited["last_line"] = chunk.lines
    if chunk.start is not None:
        cited |= {"start": chunk.start, "end": chunk.start + len(chunk.text) if chunk.end is None else chunk.end}
    return {**cited, **chunk.metadata}


def _ledger(chunk: Chunk) -> dict[str, JSON]:
    filled: dict[str, JSON] = {_FIELDS: dict(chunk.fields)} if chunk.fields else {}
    return {
        **filled,
        "source_name": chunk.source_name,
        "source_file": chunk.file,
        "source_id": chunk.source_id,
        "chunk_index": chunk.index,
        "text_hash": chunk.text_hash,
        "record_hash": chunk.record_hash,
        "metadata_hash": chunk.metadata_hash,
        "chunk_count": chunk.count,
    }


def _node_text(node: Mapping[str, JSON]) -> str | None:
    """The text of a LlamaIndex node, which newer classes of nodes keep in a ``text_resource``."""
    text = node.get("text") if "text" in node else _object(node.get("text_resource")).get("text")
    return text if isinstance(text, str) else None


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Fill the places in a stored template; not by ``str.format``, which follows attributes and widths in it."""
    return re.sub("|".join(rf"\{{{name}\}}" for name in values), lambda place: values[place[0][1:-1]], template)


def _object(value: object) -> Mapping[str, JSON]:
    return cast("Mapping[str, JSON]", value) if isinstance(value, dict) else {}


def _whole(value: object) -> int:
    """Read an integer: gRPC does not distinguish 2 and 2.0, and a foreign point may hold anything."""
    return int(value) if isinstance(value, int | float) else 0
