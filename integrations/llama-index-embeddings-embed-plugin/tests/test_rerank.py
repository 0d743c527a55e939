from __future__ import annotations

import asyncio
import logging
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core import VectorStoreIndex, instrumentation
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.callbacks.schema import CBEventType
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode
from pydantic import ValidationError

from embed_plugin import EncoderSettings, InvalidInputError, InvalidTextError, ModelFolderError, Reranker
from embed_plugin.testing import FakeReranker
from llama_index.embeddings.embed_plugin import EmbedPluginEmbedding, EmbedPluginRerank

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

TEXTS = ["the cat sat on the mat", "a dog ran fast", "open the file", "read a line of text", "fire and water"]
NODES = [
    NodeWithScore(node=TextNode(id_=str(number), text=text, metadata={"line": number}), score=0.5)
    for number, text in enumerate(TEXTS)
]
CONTENTS = [found.node.get_content(MetadataMode.EMBED) for found in NODES]


class AskedReranker(FakeReranker):
    """Keeps the instructions that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.instructions: list[str | None] = []

    def rank(
        self, query: str, texts: Sequence[str], *, top_k: int | None = None, instruction: str | None = None
    ) -> list[tuple[int, float]]:
        self.instructions.append(instruction)
        return super().rank(query, texts, top_k=top_k)


class Recorder(BaseEventHandler):
    """Keeps the events of reranking."""

    seen: list[BaseEvent] = []  # noqa: RUF012 - pydantic copies it

    def handle(self, event: BaseEvent, **_: object) -> None:
        if isinstance(event, ReRankStartEvent | ReRankEndEvent):
            self.seen.append(event)


@pytest.fixture(scope="module")
def rerank(reranker_folder: Path) -> EmbedPluginRerank:
    return EmbedPluginRerank(model=reranker_folder, top_n=5)


def facts(found: list[NodeWithScore]) -> list[tuple[str, float | None]]:
    return [(each.node_id, each.score) for each in found]


def test_nodes_are_in_the_rerankers_order_with_its_scores(rerank: EmbedPluginRerank, reranker_folder: Path) -> None:
    ranked = Reranker.load(reranker_folder).rank("the cat", CONTENTS)
    found = rerank.postprocess_nodes(NODES, query_str="the cat")
    assert facts(found) == [(str(at), score) for at, score in ranked]
    assert [each.metadata for each in found] == [{"line": at} for at, _ in ranked]
    assert type(found[0].score) is float
    assert {each.score for each in NODES} == {0.5}


def test_the_best_are_kept(rerank: EmbedPluginRerank, reranker_folder: Path) -> None:
    everything = rerank.postprocess_nodes(NODES, query_str="the cat")
    changed = EmbedPluginRerank(model=reranker_folder)
    assert facts(changed.postprocess_nodes(NODES, QueryBundle("the cat"))) == facts(everything[:2])
    changed.top_n = 1
    assert facts(changed.postprocess_nodes(NODES, QueryBundle("the cat"))) == facts(everything[:1])
    assert changed.postprocess_nodes([], query_str="the cat") == []


def test_the_text_alone_is_scored_where_that_is_asked_for() -> None:
    fake = FakeReranker()
    EmbedPluginRerank(reranker=fake).postprocess_nodes(NODES, query_str="the cat")
    EmbedPluginRerank(reranker=fake, metadata_mode=MetadataMode.NONE).postprocess_nodes(NODES, query_str="the cat")
    assert [text for _, text in fake.scored] == [*CONTENTS, *TEXTS]
    assert CONTENTS[0] == "line: 0\n\nthe cat sat on the mat"


def test_async_gives_the_same(rerank: EmbedPluginRerank) -> None:
    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(rerank.apostprocess_nodes(NODES, query_str=query) for query in TEXTS))

    expected = [facts(rerank.postprocess_nodes(NODES, query_str=query)) for query in TEXTS]
    assert [facts(found) for found in asyncio.run(all_at_once())] == expected


def test_concurrent_async_callers_share_batches(reranker_folder: Path) -> None:
    loaded = Reranker.load(reranker_folder, EncoderSettings(workers=1))
    rerank, rows = EmbedPluginRerank(reranker=loaded), list[int]()
    loaded.runtime.observe(lambda report: rows.append(report.texts))

    async def forty_callers() -> None:
        await asyncio.gather(*(rerank.apostprocess_nodes(NODES[:1], query_str="the cat") for _ in range(40)))

    asyncio.run(forty_callers())
    assert sum(rows) == 40
    assert len(rows) < 40


def test_any_text_reranker_may_be_given_with_an_instruction() -> None:
    asked = AskedReranker()
    rerank = EmbedPluginRerank(reranker=asked, instruction="Find the animal")
    found = asyncio.run(rerank.apostprocess_nodes(NODES, query_str="the dog ran"))
    assert facts(found) == facts(rerank.postprocess_nodes(NODES, query_str="the dog ran"))
    assert found[0].text == "a dog ran fast"
    assert asked.instructions == ["Find the animal", "Find the animal"]


def test_an_instruction_that_the_model_does_not_take_is_refused(reranker_folder: Path) -> None:
    rerank = EmbedPluginRerank(model=reranker_folder, instruction="Find the animal")
    with pytest.raises(InvalidInputError, match="instruction"):
        rerank.postprocess_nodes(NODES, query_str="the cat")


@pytest.mark.parametrize("query", [None, ""])
def test_a_query_is_needed(rerank: EmbedPluginRerank, query: str | None) -> None:
    with pytest.raises(InvalidInputError, match="query"):
        rerank.postprocess_nodes(NODES, query_str=query)
    with pytest.raises(InvalidInputError, match="query"):
        asyncio.run(rerank.apostprocess_nodes(NODES, query_str=query))


def test_a_bad_text_is_named(rerank: EmbedPluginRerank) -> None:
    with pytest.raises(InvalidTextError, match="text 1"):
        rerank.postprocess_nodes([NODES[0], NodeWithScore(node=TextNode(text="\ud800"))], query_str="the cat")


def test_inside_a_query_engine(embed_model: EmbedPluginEmbedding, rerank: EmbedPluginRerank) -> None:
    index = VectorStoreIndex([TextNode(text=text) for text in TEXTS], embed_model=embed_model)
    retriever = index.as_retriever(similarity_top_k=5)
    engine = RetrieverQueryEngine.from_args(retriever, llm=MockLLM(), node_postprocessors=[rerank])
    expected = rerank.postprocess_nodes(retriever.retrieve("read a file"), query_str="read a file")
    assert facts(engine.query("read a file").source_nodes) == facts(expected)
    assert facts(asyncio.run(engine.aquery("read a file")).source_nodes) == facts(expected)


def test_callbacks_and_events_are_fired(reranker_folder: Path) -> None:
    debug, recorder = LlamaDebugHandler(print_trace_on_end=False), Recorder()
    rerank = EmbedPluginRerank(model=reranker_folder, callback_manager=CallbackManager([debug]))
    dispatcher = instrumentation.get_dispatcher()  # type: ignore[attr-defined]
    dispatcher.add_event_handler(recorder)
    try:
        rerank.postprocess_nodes(NODES, query_str="the cat")
        asyncio.run(rerank.apostprocess_nodes(NODES, query_str="the cat"))
    finally:
        dispatcher.event_handlers.remove(recorder)
    assert len(debug.get_event_pairs(CBEventType.RERANKING)) == 2
    assert [type(event) for event in recorder.seen] == [ReRankStartEvent, ReRankEndEvent] * 2


def test_it_pickles_and_is_restored_from_its_fields(reranker_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    rerank = EmbedPluginRerank(model=reranker_folder, top_n=3, settings=EncoderSettings(workers=1))
    with caplog.at_level(logging.WARNING):
        copy = pickle.loads(pickle.dumps(rerank))  # noqa: S301 - made in this line
    assert caplog.records == []
    assert copy.settings == rerank.settings
    for restored in (
        copy,
        EmbedPluginRerank.from_dict(rerank.to_dict()),
        EmbedPluginRerank.from_json(rerank.to_json()),
    ):
        assert restored.to_dict() == rerank.to_dict()
        assert facts(restored.postprocess_nodes(NODES, query_str="a")) == facts(
            rerank.postprocess_nodes(NODES, query_str="a")
        )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"top_k": 3}, "has no top_k; expected callback_manager, model, top_n"),
        ({"top_n": 0}, "greater than or equal to 1"),
        ({"model": None}, "give a model folder of a reranker"),
        ({"reranker": "bge"}, "instance of TextReranker"),
    ],
)
def test_what_cannot_work_is_refused(reranker_folder: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises((ValidationError, InvalidInputError), match=message):
        EmbedPluginRerank(**({"model": reranker_folder} | wrong))


def test_an_encoders_folder_is_refused(tiny_model: Callable[..., Path]) -> None:
    with pytest.raises(ModelFolderError, match="Encoder"):
        EmbedPluginRerank(model=tiny_model())


def test_what_was_loaded_does_not_change(rerank: EmbedPluginRerank) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        rerank.model = "other"  # type: ignore[misc]
    rerank.callback_manager = CallbackManager([])
