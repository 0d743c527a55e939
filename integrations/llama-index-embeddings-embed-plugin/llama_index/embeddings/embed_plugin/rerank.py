"""LlamaIndex's `BaseNodePostprocessor` over an embed-plugin reranker."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import SkipJsonSchema

from embed_plugin import EncoderSettings, InvalidInputError, Reranker, TextReranker
from llama_index.core import instrumentation
from llama_index.core.bridge.pydantic import ConfigDict, Field, field_validator
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from llama_index.core.callbacks.base import EventContext

_dispatcher = instrumentation.get_dispatcher(__name__)  # type: ignore[attr-defined]  # it does not say that it exports


def _load(fields: dict[str, Any]) -> Reranker:
    """The reranker of the fields that stand before it."""
    if not fields["model"]:
        raise InvalidInputError(
            "no model: give a model folder of a reranker made by  embed-plugin export , as in "
            "EmbedPluginRerank(model='models/bge-reranker'), or a loaded one with reranker="
        )
    return Reranker.load(fields["model"], fields["settings"])


class EmbedPluginRerank(BaseNodePostprocessor):
    """Keep the nodes that answer a query best, by an embed-plugin reranker on CPU and in this process.

    The score of a node depends on the query and the node's text alone. The nodes that come back are those that were
    given, with all their metadata; their scores are the reranker's.

    Args:
        model (str | Path): Model folder of a reranker, made by `embed-plugin export`.
        top_n (int): The most nodes that are returned.
        instruction (str | None): One line that says what queries are for, for a model that takes one. None: the
            model's own.
        metadata_mode (MetadataMode): The part of a node that is scored. `EMBED`, as in LlamaIndex's own rerankers: its
            metadata and its text. `NONE`: its text, which is what `embed-plugin ingest` embeds.
        settings (EncoderSettings): Workers, token budget and what to do with long texts; none of it changes a score.
        reranker (TextReranker): A reranker that is loaded already. Then `model` is not loaded.

    Examples:
        `pip install llama-index-embeddings-embed-plugin 'embed-plugin[export]'`

        `embed-plugin export BAAI/bge-reranker-base --out models/bge-reranker`

        ```python
        from llama_index.embeddings.embed_plugin import EmbedPluginRerank

        rerank = EmbedPluginRerank(model="models/bge-reranker", top_n=3)
        engine = index.as_query_engine(similarity_top_k=50, node_postprocessors=[rerank])
        ```
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    model: str | Path | None = Field(default=None, description="Model folder of a reranker.", frozen=True)
    top_n: int = Field(default=2, description="The most nodes that are returned.", ge=1)
    instruction: str | None = Field(default=None, description="What queries are for; None: the model's own.")
    metadata_mode: MetadataMode = Field(default=MetadataMode.EMBED, description="The part of a node that is scored.")
    settings: EncoderSettings = Field(
        default=EncoderSettings(), description="How to run; changes no score.", exclude=True, frozen=True
    )
    reranker: SkipJsonSchema[TextReranker] = Field(
        default_factory=_load, description="Loaded from model, or given.", exclude=True, repr=False, frozen=True
    )

    def __init__(self, **fields: Any) -> None:  # noqa: ANN401 - as the base class
        """Load the model folder, or take the reranker over.

        Raises:
            InvalidInputError: no model is named, or a field is unknown.
            ModelFolderError: the model folder cannot be used, or is no reranker's.
        """
        known = type(self).model_fields
        if unknown := sorted(fields.keys() - known.keys()):
            message = f"EmbedPluginRerank has no {', '.join(unknown)}; expected {', '.join(known)}. Leave it out"
            raise InvalidInputError(f"{message}: how to run is settings=EncoderSettings(...)")
        super().__init__(**fields)

    @field_validator("model")
    @classmethod
    def _as_str(cls, model: str | Path | None) -> str | None:
        """One spelling: `to_json()` has no paths."""
        return None if model is None else str(model)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore through `__init__`, whose errors are not passed over."""
        self.__init__(**state["__dict__"])  # type: ignore[misc]  # as the base class does it

    @classmethod
    def class_name(cls) -> str:
        """The name in serialised form."""
        return "EmbedPluginRerank"

    @property
    def fingerprint(self) -> str:
        """Identity of the scores: equal fingerprints mean comparable scores."""
        return self.reranker.fingerprint

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query_of(query_bundle)
        with self._event(nodes, query) as event:
            ranked = self.reranker.rank(query, self._texts(nodes), top_k=self.top_n, instruction=self.instruction)
            return _ended(event, nodes, ranked)

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query, rank = _query_of(query_bundle), getattr(self.reranker, "arank", None)
        if rank is None:  # a TextReranker need not have it
            return await asyncio.to_thread(self._postprocess_nodes, nodes, query_bundle)
        with self._event(nodes, query) as event:
            ranked = await rank(query, self._texts(nodes), top_k=self.top_n, instruction=self.instruction)
            return _ended(event, nodes, ranked)

    def _texts(self, nodes: list[NodeWithScore]) -> list[str]:
        return [found.node.get_content(metadata_mode=self.metadata_mode) for found in nodes]

    def _event(self, nodes: list[NodeWithScore], query: str) -> AbstractContextManager[EventContext]:
        """Say that the work begins, to LlamaIndex's instrumentation and to its callbacks."""
        name = self.model if isinstance(self.model, str) else self.fingerprint
        _dispatcher.event(ReRankStartEvent(query=query, nodes=nodes, top_n=self.top_n, model_name=name))
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: name,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: self.top_n,
        }
        return self.callback_manager.event(CBEventType.RERANKING, payload=payload)


def _query_of(query_bundle: QueryBundle | None) -> str:
    if query_bundle is None:
        raise InvalidInputError("no query: give query_bundle or query_str, which the nodes are scored for")
    return query_bundle.query_str


def _ended(event: EventContext, nodes: list[NodeWithScore], ranked: list[tuple[int, float]]) -> list[NodeWithScore]:
    """The nodes in the order of their scores, and the end of the event."""
    found = [NodeWithScore(node=nodes[index].node, score=score) for index, score in ranked]
    event.on_end(payload={EventPayload.NODES: found})
    _dispatcher.event(ReRankEndEvent(nodes=found))
    return found
