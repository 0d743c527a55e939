from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, Any, Literal

import pytest
from pydantic import ValidationError

from embed_plugin import Encoder, EncoderSettings, InvalidInputError, InvalidTextError, ModelFolderError
from embed_plugin.testing import FakeEncoder
from langchain_embed_plugin import EmbedPluginEmbeddings

if TYPE_CHECKING:
    from pathlib import Path


def test_vectors_are_the_encoders_as_python_floats(embeddings: EmbedPluginEmbeddings, folder: Path) -> None:
    encoder = Encoder.load(folder)
    assert embeddings.embed_documents(["the cat", "a dog"]) == encoder.encode_documents(["the cat", "a dog"]).tolist()
    assert embeddings.embed_query("the cat") == encoder.encode_queries(["the cat"])[0].tolist()
    assert type(embeddings.embed_query("the cat")[0]) is float


def test_nothing_in_nothing_out(embeddings: EmbedPluginEmbeddings) -> None:
    assert embeddings.embed_documents([]) == []


def test_async_gives_the_same_vectors(embeddings: EmbedPluginEmbeddings) -> None:
    texts = [f"the cat sat on {word}" for word in ("the mat", "a tree", "fire", "water")]

    async def all_at_once() -> list[Any]:
        queries = [embeddings.aembed_query(text) for text in texts]
        return await asyncio.gather(embeddings.aembed_documents(texts), *queries)

    documents, *queries = asyncio.run(all_at_once())
    assert documents == embeddings.embed_documents(texts)
    assert queries == [embeddings.embed_query(text) for text in texts]


def test_concurrent_async_callers_share_batches(folder: Path) -> None:
    embeddings = EmbedPluginEmbeddings(model=folder, settings=EncoderSettings(workers=1))
    encoder = embeddings.encoder
    assert isinstance(encoder, Encoder)
    rows: list[int] = []
    encoder.runtime.observe(lambda report: rows.append(report.texts))

    async def forty_callers() -> None:
        await asyncio.gather(*(embeddings.aembed_query("the cat") for _ in range(40)))

    asyncio.run(forty_callers())
    assert sum(rows) == 40
    assert len(rows) < 40


def test_prefixes_replace_the_folders_and_change_the_identity(embeddings: EmbedPluginEmbeddings, folder: Path) -> None:
    other = EmbedPluginEmbeddings(model=folder, query_prefix="document: ")
    assert other.embed_query("the cat") == embeddings.embed_documents(["document: the cat"])[0]
    assert other.fingerprint != embeddings.fingerprint


def test_it_pickles_with_its_settings(folder: Path) -> None:
    embeddings = EmbedPluginEmbeddings(model=folder, query_prefix="", settings=EncoderSettings(workers=1))
    copy = pickle.loads(pickle.dumps(embeddings))  # noqa: S301 - made in this line
    assert copy.settings == embeddings.settings
    assert copy.fingerprint == embeddings.fingerprint
    assert copy.embed_query("the cat") == embeddings.embed_query("the cat")


def test_any_text_encoder_may_be_given_and_pickled() -> None:
    embeddings = EmbedPluginEmbeddings(encoder=FakeEncoder(dimension=8))
    copy = pickle.loads(pickle.dumps(embeddings))  # noqa: S301 - made in this line
    assert len(copy.embed_query("the cat")) == 8
    assert asyncio.run(copy.aembed_query("the cat")) == copy.embed_query("the cat")
    assert asyncio.run(copy.aembed_documents(["the cat"])) == copy.embed_documents(["the cat"])


def test_progress_is_shown_when_asked_for(
    embeddings: EmbedPluginEmbeddings, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["the cat", "a dog"]
    vectors = EmbedPluginEmbeddings(model=folder, show_progress=True).embed_documents(texts)
    assert "2/2" in capsys.readouterr().err
    assert embeddings.embed_documents(texts) == vectors
    assert capsys.readouterr().err == ""


def test_a_bad_text_is_named(embeddings: EmbedPluginEmbeddings) -> None:
    with pytest.raises(InvalidTextError, match="text 1: is a int"):
        embeddings.embed_documents(["the cat", 3])  # type: ignore[list-item]


def test_the_environment_is_read_where_no_model_is_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBED_PLUGIN_MODEL", "/elsewhere")
    assert EmbedPluginEmbeddings(model=folder).model == folder
    monkeypatch.delenv("EMBED_PLUGIN_MODEL")
    with pytest.raises(InvalidInputError, match=r"give a model folder .* or set EMBED_PLUGIN_MODEL"):
        EmbedPluginEmbeddings()


@pytest.mark.parametrize(
    ("model", "advice"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000 is a URL.*encoder="),
        ("a/b", "run  embed-plugin export a/b  if"),
    ],
)
def test_a_url_and_a_model_not_prepared_are_told_what_helps(model: str, advice: str) -> None:
    with pytest.raises(ModelFolderError, match=advice):
        EmbedPluginEmbeddings(model=model)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="is not a folder; expected a model folder"):
        EmbedPluginEmbeddings(model=tmp_path / "missing")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cache_folder": "."}, "has no cache_folder; expected model, query_prefix"),
        ({"query_instruction": "query: "}, "instructions are query_prefix and document_prefix"),
        ({"settings": {"workers": 0}}, "workers is 0"),
        ({"encoder": "bge"}, "instance of TextEncoder"),
        ({"encoder": FakeEncoder(), "query_prefix": "query: "}, "load the encoder with them"),
        ({"encoder": FakeEncoder(), "dimension": 8}, "load the encoder with them"),
    ],
)
def test_what_cannot_work_is_refused(folder: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises((ValidationError, InvalidInputError), match=message):
        EmbedPluginEmbeddings(**({"model": folder} | wrong))


def test_model_name_is_another_name_of_model(
    folder: Path, embeddings: EmbedPluginEmbeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBED_PLUGIN_MODEL", "/elsewhere")
    for named in (
        EmbedPluginEmbeddings(model_name=str(folder)),
        EmbedPluginEmbeddings(model_name=folder, model=str(folder)),
        EmbedPluginEmbeddings.model_validate({"model_name": str(folder)}),
    ):
        assert named.embed_query("the cat") == embeddings.embed_query("the cat")
        assert str(named.model) == str(named.model_name) == str(folder)
    with pytest.raises(InvalidInputError, match=r"model is .* and model_name is 'bge'; expected one of them"):
        EmbedPluginEmbeddings(model=folder, model_name="bge")


def test_its_schema_has_what_can_be_written_in_json(embeddings: EmbedPluginEmbeddings) -> None:
    modes: tuple[Literal["validation", "serialization"], ...] = ("validation", "serialization")
    for mode in modes:
        properties = EmbedPluginEmbeddings.model_json_schema(mode=mode)["properties"]
        expected = {"model", "query_prefix", "document_prefix", "dimension", "settings", "show_progress"}
        assert set(properties) == expected
    assert EmbedPluginEmbeddings.model_validate(embeddings.model_dump()) == embeddings
    assert EmbedPluginEmbeddings.model_validate_json(embeddings.model_dump_json()) == embeddings


def test_objects_of_one_folder_are_equal(folder: Path, embeddings: EmbedPluginEmbeddings) -> None:
    same = [EmbedPluginEmbeddings(model=str(folder)), EmbedPluginEmbeddings(model_name=folder), embeddings.model_copy()]
    same.append(EmbedPluginEmbeddings(encoder=Encoder.load(folder)))
    assert {embeddings, *same, pickle.loads(pickle.dumps(embeddings))} == {embeddings}  # noqa: S301 - made here
    for other in (
        EmbedPluginEmbeddings(model=folder, query_prefix=""),
        EmbedPluginEmbeddings(model=folder, settings=EncoderSettings(workers=1)),
        EmbedPluginEmbeddings(model=folder, show_progress=True),
        "embeddings",
    ):
        assert other != embeddings


def test_objects_of_one_client_are_equal() -> None:
    """Compared themselves: to ask a client for its fingerprint would send a request."""
    encoder = FakeEncoder()
    assert EmbedPluginEmbeddings(encoder=encoder) == EmbedPluginEmbeddings(encoder=encoder)
    assert EmbedPluginEmbeddings(encoder=encoder) != EmbedPluginEmbeddings(encoder=FakeEncoder())
    assert hash(EmbedPluginEmbeddings(encoder=encoder)) == hash(EmbedPluginEmbeddings(encoder=encoder))


def test_one_with_a_given_encoder_is_restored_with_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBED_PLUGIN_MODEL", str(folder))
    encoder = FakeEncoder(dimension=8)
    fields = EmbedPluginEmbeddings(encoder=encoder).model_dump()
    assert EmbedPluginEmbeddings(**fields, encoder=encoder) == EmbedPluginEmbeddings(encoder=encoder)
    with pytest.raises(InvalidInputError, match="made with encoder= needs it again"):
        EmbedPluginEmbeddings(**fields)


def test_a_copy_keeps_what_its_encoder_was_made_with(embeddings: EmbedPluginEmbeddings) -> None:
    assert embeddings.model_copy(update={"show_progress": True}).show_progress
    with pytest.raises(InvalidInputError, match=r"query_prefix cannot change in a copy.*\(query_prefix=...\)"):
        embeddings.model_copy(update={"query_prefix": ""})


def test_a_loaded_object_does_not_change(embeddings: EmbedPluginEmbeddings) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        embeddings.model = "other"  # type: ignore[misc]


def test_a_dimension_is_that_of_the_encoder_and_pickles(matryoshka_folder: Path) -> None:
    embeddings = EmbedPluginEmbeddings(model=matryoshka_folder, dimension=8)
    expected = Encoder.load(matryoshka_folder, dimension=8)
    assert embeddings.embed_query("the cat") == expected.encode_queries(["the cat"])[0].tolist()
    assert embeddings != EmbedPluginEmbeddings(model=matryoshka_folder)
    copy = pickle.loads(pickle.dumps(embeddings))  # noqa: S301 - made in this line
    assert (copy.fingerprint, copy.dimension) == (expected.fingerprint, 8)
    with pytest.raises(InvalidInputError, match="was trained for vectors of 8, 16, 32"):
        EmbedPluginEmbeddings(model=matryoshka_folder, dimension=12)
