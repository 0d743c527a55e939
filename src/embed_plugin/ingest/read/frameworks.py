"""Convert documents of LangChain and nodes of LlamaIndex to records; neither needs to be installed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.json_values import as_json
from embed_plugin.ingest.records import Record, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from embed_plugin.ingest.records import JSON


class LangChainDocument(Protocol):
    """The members of a LangChain ``Document`` that are read."""

    @property
    def page_content(self) -> str: ...  # noqa: D102
    @property
    def metadata(self) -> Mapping[str, object]: ...  # noqa: D102
    @property
    def id(self) -> str | None: ...  # noqa: D102


class LlamaIndexNode(Protocol):
    """The members of a LlamaIndex node that are read."""

    @property
    def node_id(self) -> str: ...  # noqa: D102
    @property
    def ref_doc_id(self) -> str | None: ...  # noqa: D102
    @property
    def metadata(self) -> Mapping[str, object]: ...  # noqa: D102
    def get_content(self) -> str: ...  # noqa: D102


def records_of_documents(documents: Iterable[LangChainDocument]) -> Iterator[Record | Rejected]:
    """Convert LangChain Documents to records, named by their ``id``.

    A document without an id is named by the ``source`` in its metadata and its position among the documents of that
    source; without either it is rejected, because the next run could not recognise it.
    """
    position: Counter[str] = Counter()
    for number, document in enumerate(documents, start=1):
        source_id = document.id
        source = document.metadata.get("source")
        if source_id is None and source is not None:
            position[str(source)] += 1
            source_id = f"{source}#{position[str(source)]}"
        yield _record(source_id, document.page_content, document.metadata, f"document {number}")


def records_of_nodes(nodes: Iterable[LlamaIndexNode]) -> Iterator[Record | Rejected]:
    """Convert LlamaIndex nodes to records, named by their document and their position among its nodes.

    A node without a document is named by its own id. Ids that LlamaIndex draws at random differ in every run: let it
    use file names (``SimpleDirectoryReader(filename_as_id=True)``), or set ``id_``.
    """
    position: Counter[str] = Counter()
    for number, node in enumerate(nodes, start=1):
        source_id = node.node_id
        if node.ref_doc_id is not None:
            position[node.ref_doc_id] += 1
            source_id = f"{node.ref_doc_id}#{position[node.ref_doc_id]}"
        yield _record(source_id, node.get_content(), node.metadata, f"node {number}")


def _record(source_id: str | None, text: str, metadata: Mapping[str, object], place: str) -> Record | Rejected:
    fields: dict[str, JSON] = {"id": source_id, "text": text}
    if source_id is None:
        reason = f"{place}: it has neither an id nor a source in its metadata. Give it an id"
        return Rejected(reason, place, record=fields)
    try:
        values = {name: as_json(value) for name, value in metadata.items()}
        fields["metadata"] = values
        return Record(source_id, text, values, place=place)
    except TypeError as error:
        reason = f"{place}: the metadata is not JSON ({error}). Use strings, finite numbers, lists and objects"
    except RecordError as error:
        reason = str(error)
    return Rejected(reason, place, source_id, record=fields)
