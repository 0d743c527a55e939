from __future__ import annotations

import asyncio
import logging
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core import instrumentation
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.callbacks.schema import CBEventType
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent
from pydantic import ValidationError

from embed_plugin import Encoder, EncoderSettings, InvalidInputError, ModelFolderError, SpaceMismatchError
from embed_plugin.testing import FakeEncoder
from llama_index.embeddings.embed_plugin import EmbedPluginEmbedding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from embed_plugin import Vectors


TEXTS = ["the cat sat on the mat", "a dog ran fast", "open the file", "read a line of text", "fire and water"]


class CountingEncoder(FakeEncoder):
    """Keeps how many texts came in each call."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        self.sizes.append(len(texts))
        return super().encode_documents(texts)


def test_class() -> None:
    """The check that LlamaIndex's own integrations have."""
    assert BaseEmbedding.__name__ in [base.__name__ for base in EmbedPluginEmbedding.__mro__]


def test_vectors_are_the_encoders_as_python_floats(embed_model: EmbedPluginEmbedding, folder: Path) -> None:
    encoder = Encoder.load(folder)
    assert embed_model.get_text_embedding_batch(TEXTS) == encoder.encode_documents(TEXTS).tolist()
    assert embed_model.get_text_embedding(TEXTS[0]) == encoder.encode_documents(TEXTS)[0].tolist()
    assert embed_model.get_query_embedding(TEXTS[0]) == encoder.encode_queries(TEXTS)[0].tolist()
    assert type(embed_model.get_query_embedding("the cat")[0]) is float


def test_async_gives_the_same_vectors(embed_model: EmbedPluginEmbedding) -> None:
    async def all_at_once() -> list[Any]:
        queries = [embed_model.aget_query_embedding(text) for text in TEXTS]
        texts = [embed_model.aget_text_embedding(text) for text in TEXTS]
        return await asyncio.gather(embed_model.aget_text_embedding_batch(TEXTS), *texts, *queries)

    batch, *others = asyncio.run(all_at_once())
    assert batch == others[:5] == embed_model.get_text_embedding_batch(TEXTS)
    assert others[5:] == [embed_model.get_query_embedding(text) for text in TEXTS]


@pytest.mark.parametrize("num_workers", [None, 3])
def test_both_batch_methods_batch(num_workers: int | None) -> None:
    encoder = CountingEncoder()
    embed_model = EmbedPluginEmbedding(encoder=encoder, embed_batch_size=2, num_workers=num_workers)
    vectors = embed_model.get_text_embedding_batch(TEXTS)
    assert asyncio.run(embed_model.aget_text_embedding_batch(TEXTS)) == vectors
    assert encoder.sizes[:3] == [2, 2, 1]
    assert sorted(encoder.sizes[3:]) == [1, 2, 2]


def test_what_changes_numbers_is_in_to_dict_and_what_does_not_is_not(
    folder: Path, embed_model: EmbedPluginEmbedding
) -> None:
    fields = embed_model.to_dict()
    assert fields["query_instruction"] == "query: "
    assert fields["text_instruction"] == ""
    assert fields["fingerprint"] == Encoder.load(folder).fingerprint
    assert fields["model_name"] == Encoder.load(folder).spec.source
    other = EmbedPluginEmbedding(model=folder, query_instruction="passage: ").to_dict()
    assert (other["query_instruction"], other["fingerprint"]) != (fields["query_instruction"], fields["fingerprint"])
    assert EmbedPluginEmbedding(model=folder, settings=EncoderSettings(workers=1)).to_dict() == fields


def test_instructions_are_put_before_the_text_verbatim(folder: Path, embed_model: EmbedPluginEmbedding) -> None:
    other = EmbedPluginEmbedding(model=folder, query_instruction="", text_instruction="document: ")
    assert other.get_query_embedding("the cat") == embed_model.get_text_embedding("the cat")
    assert other.get_text_embedding("the cat") == embed_model.get_text_embedding("document: the cat")


def test_it_pickles_through_its_init(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = EncoderSettings(workers=1)
    embed_model = EmbedPluginEmbedding(model=folder, query_instruction="", settings=settings, embed_batch_size=7)
    with caplog.at_level(logging.WARNING):
        copy = pickle.loads(pickle.dumps(embed_model))  # noqa: S301 - made in this line
    assert caplog.records == []
    assert copy.to_dict() == embed_model.to_dict()
    assert copy.settings == settings
    assert copy.get_query_embedding("the cat") == embed_model.get_query_embedding("the cat")


def test_any_text_encoder_may_be_given_and_pickled() -> None:
    embed_model = EmbedPluginEmbedding(encoder=FakeEncoder(dimension=8))
    copy = pickle.loads(pickle.dumps(embed_model))  # noqa: S301 - made in this line
    assert len(copy.get_query_embedding("the cat")) == 8
    assert asyncio.run(copy.aget_query_embedding("the cat")) == copy.get_query_embedding("the cat")
    assert copy.fingerprint == "fake"


def test_from_dict_restores_it_and_refuses_another_folder(
    tiny_model: Callable[..., Path], embed_model: EmbedPluginEmbedding
) -> None:
    fields = embed_model.to_dict()
    assert EmbedPluginEmbedding.from_dict(fields).to_dict() == fields
    assert EmbedPluginEmbedding.from_json(embed_model.to_json()).to_dict() == fields
    with pytest.raises(SpaceMismatchError, match=f"expected {embed_model.fingerprint}"):
        EmbedPluginEmbedding.from_dict({**fields, "model": str(tiny_model(pooling="cls"))})


def test_a_pickle_whose_folder_became_another_model_is_refused(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.symlink_to(tiny_model())
    dumped = pickle.dumps(EmbedPluginEmbedding(model=folder))
    folder.unlink()
    folder.symlink_to(tiny_model(pooling="cls"))
    with pytest.raises(ModelFolderError, match="holds another model than when it was first loaded"):
        pickle.loads(dumped)  # noqa: S301 - made above


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": None}, "give a model folder"),
        ({"settings": {"workers": 0}}, "workers is 0"),
        ({"embed_batch_size": 0}, "embed_batch_size"),
        ({"query_prefix": "query: "}, "has no query_prefix: it is called query_instruction here"),
        ({"document_prefix": ""}, "it is called text_instruction here"),
        ({"device": "cpu"}, "has no device: leave it out; expected model_name, embed_batch_size"),
        ({"encoder": "bge"}, "instance of TextEncoder"),
        ({"encoder": FakeEncoder(), "query_instruction": "query: "}, "load the encoder with that prefix"),
        ({"encoder": FakeEncoder(16), "dimension": 8}, "dimension is 8 and the encoder.s is 16: load the encoder"),
    ],
)
def test_what_cannot_work_is_refused(folder: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises((ValidationError, InvalidInputError), match=message):
        EmbedPluginEmbedding(**({"model": folder} | wrong))


@pytest.mark.parametrize(
    ("model", "advice"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000 is a URL.*encoder="),
        ("a/b", "run  embed-plugin export a/b  if"),
    ],
)
def test_a_url_and_a_model_not_prepared_are_told_what_helps(model: str, advice: str) -> None:
    with pytest.raises(ModelFolderError, match=advice):
        EmbedPluginEmbedding(model=model)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="is not a folder; expected a model folder"):
        EmbedPluginEmbedding(model=tmp_path / "missing")


def test_model_name_is_another_name_of_model(folder: Path, embed_model: EmbedPluginEmbedding) -> None:
    for named in (
        EmbedPluginEmbedding(model_name=str(folder)),
        EmbedPluginEmbedding(model=folder, model_name=str(folder)),
        EmbedPluginEmbedding(model=str(folder), model_name=folder),
    ):
        assert named.get_query_embedding("the cat") == embed_model.get_query_embedding("the cat")
        fields = named.to_dict()
        assert fields["model"] == fields["model_name"] == str(folder)
        assert EmbedPluginEmbedding.from_dict(fields).to_dict() == fields
        assert pickle.loads(pickle.dumps(named)).to_dict() == fields  # noqa: S301 - made in this line
    assert EmbedPluginEmbedding(model=folder, model_name=None).to_dict() == embed_model.to_dict()
    with pytest.raises(InvalidInputError, match=r"model is .* and model_name is 'bge'; expected one of them"):
        EmbedPluginEmbedding(model=folder, model_name="bge")


def test_one_with_a_given_encoder_is_restored_with_it(folder: Path) -> None:
    for encoder in (FakeEncoder(), Encoder.load(folder, query_prefix="passage: ")):
        embed_model = EmbedPluginEmbedding(encoder=encoder, model_name="ours")
        fields = embed_model.to_dict()
        assert (fields["model"], fields["model_name"]) == (None, "ours")
        assert EmbedPluginEmbedding.from_dict(fields, encoder=encoder).to_dict() == fields
        with pytest.raises(InvalidInputError, match=r"give it again, as in .*from_dict\(fields, encoder=encoder\)"):
            EmbedPluginEmbedding.from_dict(fields)
    with pytest.raises(SpaceMismatchError, match="expected"):
        EmbedPluginEmbedding.from_dict(fields, encoder=FakeEncoder())


@pytest.mark.parametrize(
    "name", ["model", "model_name", "query_instruction", "text_instruction", "settings", "encoder", "fingerprint"]
)
def test_what_the_vectors_would_not_follow_cannot_be_set(folder: Path, name: str) -> None:
    embed_model = EmbedPluginEmbedding(model=folder)
    before = embed_model.to_dict()
    with pytest.raises(InvalidInputError, match=rf"{name} was fixed .* make another EmbedPluginEmbedding\({name}="):
        setattr(embed_model, name, "other")
    with pytest.raises(InvalidInputError, match=f"{name} was fixed"):
        embed_model.model_copy(update={name: "other"})
    assert embed_model.to_dict() == before


def test_what_is_llama_indexs_own_takes_effect() -> None:
    encoder = CountingEncoder()
    embed_model = EmbedPluginEmbedding(encoder=encoder)
    embed_model.embed_batch_size = 2
    embed_model.callback_manager = CallbackManager([])
    embed_model.get_text_embedding_batch(TEXTS)
    assert encoder.sizes == [2, 2, 1]
    assert embed_model.to_dict()["embed_batch_size"] == 2


def test_its_schema_has_what_can_be_written_in_json() -> None:
    properties = EmbedPluginEmbedding.model_json_schema()["properties"]
    assert {"model", "model_name", "query_instruction", "fingerprint"} <= set(properties)
    assert "encoder" not in properties
    assert EmbedPluginEmbedding.model_json_schema(mode="serialization")


def test_callbacks_are_fired(folder: Path) -> None:
    seen = LlamaDebugHandler(print_trace_on_end=False)
    embed_model = EmbedPluginEmbedding(model=folder, callback_manager=CallbackManager([seen]), embed_batch_size=3)
    embed_model.get_text_embedding_batch(TEXTS)
    embed_model.get_query_embedding("the cat")
    asyncio.run(embed_model.aget_text_embedding_batch(TEXTS))
    assert len(seen.get_event_pairs(CBEventType.EMBEDDING)) == 2 + 1 + 2


def test_events_are_fired(embed_model: EmbedPluginEmbedding) -> None:
    class Recorder(BaseEventHandler):
        seen: list[BaseEvent] = []  # noqa: RUF012 - pydantic copies it

        def handle(self, event: BaseEvent, **_: object) -> None:
            self.seen.append(event)

    recorder, dispatcher = Recorder(), instrumentation.get_dispatcher()  # type: ignore[attr-defined]
    dispatcher.add_event_handler(recorder)
    try:
        embed_model.get_query_embedding("the cat")
    finally:
        dispatcher.event_handlers.remove(recorder)
    assert [type(event) for event in recorder.seen] == [EmbeddingStartEvent, EmbeddingEndEvent]
    assert recorder.seen[1].chunks == ["the cat"]  # type: ignore[attr-defined]


def test_a_dimension_is_that_of_the_encoder_and_is_saved(matryoshka_folder: Path) -> None:
    embed_model = EmbedPluginEmbedding(model=matryoshka_folder, dimension=8)
    expected = Encoder.load(matryoshka_folder, dimension=8)
    assert embed_model.get_query_embedding("the cat") == expected.encode_queries(["the cat"])[0].tolist()
    again = EmbedPluginEmbedding.from_dict(embed_model.to_dict())
    assert (again.fingerprint, again.dimension) == (expected.fingerprint, 8)
    with pytest.raises(InvalidInputError, match="dimension was fixed when this object was made"):
        embed_model.dimension = 16
