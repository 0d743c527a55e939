from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.documents import Document
from pydantic import ValidationError

from embed_plugin import EncoderSettings, InvalidInputError, InvalidTextError, ModelFolderError, Reranker
from embed_plugin.testing import FakeReranker
from langchain_embed_plugin import EmbedPluginReranker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

TEXTS = ["the cat sat", "", "a dog ran fast", "the cat sat", "read a line of text"]
DOCUMENTS = [Document(text, id=str(number), metadata={"line": number}) for number, text in enumerate(TEXTS)]


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


@pytest.fixture(scope="module")
def reranker(reranker_folder: Path) -> EmbedPluginReranker:
    return EmbedPluginReranker(model=reranker_folder, top_n=None)


def test_documents_are_in_the_rerankers_order_with_its_scores(
    reranker: EmbedPluginReranker, reranker_folder: Path
) -> None:
    ranked = Reranker.load(reranker_folder).rank("the cat", TEXTS)
    found = reranker.compress_documents(DOCUMENTS, "the cat")
    assert [document.metadata["relevance_score"] for document in found] == [score for _, score in ranked]
    assert [(document.id, document.metadata["line"]) for document in found] == [(str(at), at) for at, _ in ranked]
    assert type(found[0].metadata["relevance_score"]) is float
    assert all("relevance_score" not in document.metadata for document in DOCUMENTS)


def test_the_best_are_kept(reranker_folder: Path, reranker: EmbedPluginReranker) -> None:
    everything = reranker.compress_documents(DOCUMENTS, "the cat")
    assert EmbedPluginReranker(model=reranker_folder).compress_documents(DOCUMENTS, "the cat") == everything[:3]
    changed = reranker.model_copy(update={"top_n": 1})
    assert changed.compress_documents(DOCUMENTS, "the cat") == everything[:1]
    changed.top_n = 2
    assert changed.compress_documents(DOCUMENTS, "the cat") == everything[:2]
    assert reranker.compress_documents([], "the cat") == []


def test_async_gives_the_same(reranker: EmbedPluginReranker) -> None:
    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(reranker.acompress_documents(DOCUMENTS, query) for query in TEXTS[2:]))

    assert asyncio.run(all_at_once()) == [reranker.compress_documents(DOCUMENTS, query) for query in TEXTS[2:]]


def test_concurrent_async_callers_share_batches(reranker_folder: Path) -> None:
    loaded = Reranker.load(reranker_folder, EncoderSettings(workers=1))
    compressor, rows = EmbedPluginReranker(reranker=loaded), list[int]()
    loaded.runtime.observe(lambda report: rows.append(report.texts))

    async def forty_callers() -> None:
        await asyncio.gather(*(compressor.acompress_documents(DOCUMENTS[:1], "the cat") for _ in range(40)))

    asyncio.run(forty_callers())
    assert sum(rows) == 40
    assert len(rows) < 40


def test_any_text_reranker_may_be_given_with_an_instruction() -> None:
    asked = AskedReranker()
    compressor = EmbedPluginReranker(reranker=asked, instruction="Find the animal")
    found = asyncio.run(compressor.acompress_documents(DOCUMENTS, "the dog ran"))
    assert found == compressor.compress_documents(DOCUMENTS, "the dog ran")
    assert found[0].page_content == "a dog ran fast"
    assert asked.instructions == ["Find the animal", "Find the animal"]
    assert compressor.fingerprint == "fake-reranker"


def test_an_instruction_that_the_model_does_not_take_is_refused(reranker_folder: Path) -> None:
    compressor = EmbedPluginReranker(model=reranker_folder, instruction="Find the animal")
    with pytest.raises(InvalidInputError, match="instruction"):
        compressor.compress_documents(DOCUMENTS, "the cat")


def test_it_pickles_with_its_settings(reranker_folder: Path) -> None:
    compressor = EmbedPluginReranker(model=reranker_folder, top_n=2, settings=EncoderSettings(workers=1))
    copy = pickle.loads(pickle.dumps(compressor))  # noqa: S301 - made in this line
    assert (copy.settings, copy.top_n, copy.fingerprint) == (EncoderSettings(workers=1), 2, compressor.fingerprint)
    assert copy.compress_documents(DOCUMENTS, "the cat") == compressor.compress_documents(DOCUMENTS, "the cat")


@pytest.mark.parametrize(("query", "text"), [("", "the cat"), ("the cat", "\ud800")])
def test_bad_texts_are_refused(reranker: EmbedPluginReranker, query: str, text: str) -> None:
    with pytest.raises((InvalidInputError, InvalidTextError)):
        reranker.compress_documents([Document(text)], query)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"top_k": 3}, "has no top_k; expected model, top_n, instruction"),
        ({"top_n": 0}, "greater than or equal to 1"),
        ({"model": None}, "give a model folder of a reranker"),
        ({"reranker": "bge"}, "instance of TextReranker"),
    ],
)
def test_what_cannot_work_is_refused(reranker_folder: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises((ValidationError, InvalidInputError), match=message):
        EmbedPluginReranker(**({"model": reranker_folder} | wrong))


def test_an_encoders_folder_is_refused(tiny_model: Callable[..., Path]) -> None:
    with pytest.raises(ModelFolderError, match="Encoder"):
        EmbedPluginReranker(model=tiny_model())


def test_what_was_loaded_does_not_change(reranker: EmbedPluginReranker) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        reranker.model = "other"  # type: ignore[misc]
    with pytest.raises(InvalidInputError, match=r"model cannot change in a copy.*\(model=...\)"):
        reranker.model_copy(update={"model": "other"})


def test_its_schema_has_what_can_be_written_in_json(reranker: EmbedPluginReranker) -> None:
    properties = EmbedPluginReranker.model_json_schema()["properties"]
    assert set(properties) == {"model", "top_n", "instruction", "settings"}
    copy = EmbedPluginReranker.model_validate_json(reranker.model_dump_json())
    assert copy.fingerprint == reranker.fingerprint
