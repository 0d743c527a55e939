"""The client against the service itself, over a socket."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from embed_plugin import Encoder, EndpointError, InvalidInputError, InvalidTextError, OtherSpaceError
from embed_plugin.client import ClientSettings, CohereEndpoint, EmbeddingClient, OpenAIEndpoint
from embed_plugin.export import ExportSettings, export
from embed_plugin.ingest import Chunker
from support.embedding_server import HASTY
from support.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TEXTS = [f"the cat {'sat ' * (number % 90)}on mat {number}" for number in range(300)]
LIMITS = ("--max-texts", "50", "--max-characters", "4000", "--max-body-bytes", "20000")


@pytest.fixture(scope="module")
def service(tiny_model: Callable[..., Path]) -> Iterator[Service]:
    with Service(tiny_model(), *LIMITS) as service:
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[EmbeddingClient]:
    with EmbeddingClient(service.url, settings=ClientSettings(request_characters=10_000)) as client:
        yield client


def test_its_vectors_are_the_encoders_bit_for_bit(client: EmbeddingClient, tiny_encoder: Encoder) -> None:
    assert client.fingerprint == tiny_encoder.fingerprint
    assert np.array_equal(client.encode_documents(TEXTS), tiny_encoder.encode_documents(TEXTS))
    assert np.array_equal(client.encode_queries(TEXTS), tiny_encoder.encode_queries(TEXTS))
    assert np.array_equal(list(client.stream_documents(iter(TEXTS))), tiny_encoder.encode_documents(TEXTS))
    for role in ("document", "query"):
        assert np.array_equal(client.count_tokens(TEXTS, role=role), tiny_encoder.count_tokens(TEXTS, role=role))


def test_a_cut_text_is_named_and_a_refused_one_too(service: Service, client: EmbeddingClient) -> None:
    texts = [*TEXTS[:60], "cat " * 600]
    assert client.embed(texts).truncated == (60,)
    with (
        EmbeddingClient(service.url, settings=ClientSettings(on_long="error", request_characters=10_000)) as strict,
        pytest.raises(InvalidTextError, match=rf"^text 60: (?!text).*{service.url}"),
    ):
        strict.encode_documents(texts)


@pytest.mark.parametrize("long", ["cat " * 1100, "the cat\n" * 6000, "mat\t\n  " * 900])
def test_a_text_beyond_the_limit_of_characters_is_cut_as_the_encoder_does(
    client: EmbeddingClient, tiny_encoder: Encoder, long: str
) -> None:
    texts = [*TEXTS[:60], long]
    found = client.embed(texts)
    assert np.array_equal(found.vectors, tiny_encoder.encode_documents(texts))
    assert found.truncated == (60,)
    assert np.array_equal(client.encode_queries(texts), tiny_encoder.encode_queries(texts))


@pytest.mark.parametrize("on_long", ["error", "truncate"])
def test_a_text_whose_rest_would_count_is_named(service: Service, on_long: Literal["error", "truncate"]) -> None:
    """With truncate its head has fewer tokens than the limit: the encoder would read on."""
    few_tokens = ("x" * 200 + " ") * 30
    settings = ClientSettings(on_long=on_long, request_characters=10_000)
    with (
        EmbeddingClient(service.url, settings=settings) as client,
        pytest.raises(InvalidTextError, match=r"^text 60: (?!text)has 6,?030 characters.*: split it"),
    ):
        client.encode_documents([*TEXTS[:60], few_tokens])


def test_a_request_that_is_too_large_is_told_with_the_setting(service: Service) -> None:
    with (
        EmbeddingClient(service.url, settings=ClientSettings(request_characters=50_000)) as client,
        pytest.raises(EndpointError, match="Lower request_texts or request_characters"),
    ):
        client.encode_documents(["cat " * 900] * 10)


def test_its_openai_route_gives_the_same_vectors(service: Service, tiny_encoder: Encoder) -> None:
    endpoint = OpenAIEndpoint(tiny_encoder.spec.source, dimension=32, url=f"{service.url}/v1")
    with EmbeddingClient(endpoint, settings=HASTY) as client:
        assert np.allclose(client.encode_documents(TEXTS[:40]), tiny_encoder.encode_documents(TEXTS[:40]), atol=1e-6)


def test_an_overloaded_service_gets_everything_in_the_end(
    tiny_model: Callable[..., Path], tiny_encoder: Encoder
) -> None:
    with (
        Service(tiny_model(), "--queue-tokens", "600") as narrow,
        EmbeddingClient(narrow.url, settings=ClientSettings(request_texts=4)) as client,
        ThreadPoolExecutor(8) as threads,
    ):
        parts = [TEXTS[first : first + 20] for first in range(0, 300, 20)]
        rows = np.concatenate(list(threads.map(client.encode_documents, parts)))
        assert np.array_equal(rows, tiny_encoder.encode_documents(TEXTS))
        assert client.circuits == {narrow.url: "closed"}


def test_keys_are_asked_for_and_given(tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBED_PLUGIN_KEYS", "a-key-of-the-tests-0123456789")
    with Service(tiny_model()) as locked:
        with (
            EmbeddingClient(locked.url, settings=HASTY) as client,
            pytest.raises(EndpointError, match="set EMBED_PLUGIN_KEY to one that it takes"),
        ):
            client.encode_queries(["cat"])
        monkeypatch.setenv("EMBED_PLUGIN_KEY", "a-key-of-the-tests-0123456789")
        with EmbeddingClient(locked.url, settings=HASTY) as client:
            assert client.encode_queries(["cat"]).shape == (1, 32)


def test_a_service_with_another_model_refuses_the_fingerprint(
    service: Service, tiny_model: Callable[..., Path], client: EmbeddingClient
) -> None:
    with Service(tiny_model(precision="fp32")) as other:
        with (
            EmbeddingClient(other.url, fingerprint=client.fingerprint, settings=HASTY) as pinned,
            pytest.raises(OtherSpaceError),
        ):
            pinned.encode_queries(["cat"])
        with EmbeddingClient(service.url, fallbacks=[other.url], settings=HASTY) as falling:
            assert falling.embed(["cat"], on_other_space="return").endpoints == (service.url,)


@pytest.fixture(scope="module")
def instructed_model(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("instructed") / "model"
    export(str(tiny_checkpoint), folder, ExportSettings(precision="fp32", query_prefix="Instruct: read\nQuery:"))
    return folder


def test_an_instruction_reaches_the_model_and_searches_the_same_space(instructed_model: Path) -> None:
    encoder = Encoder.load(instructed_model)
    other = Encoder.load(instructed_model, query_prefix="Instruct: write the file\nQuery:")
    with Service(instructed_model) as service, EmbeddingClient(service.url) as client:
        vectors = client.encode_queries(TEXTS[:9], instruction="write the file")
    assert np.array_equal(vectors, other.encode_queries(TEXTS[:9]))
    assert np.array_equal(vectors, encoder.encode_queries(TEXTS[:9], instruction="write the file"))
    assert np.array_equal(list(encoder.stream_queries(TEXTS[:9], instruction="write the file")), vectors)
    assert np.array_equal(asyncio.run(encoder.aencode_queries(TEXTS[:9], instruction="write the file")), vectors)
    assert not np.array_equal(vectors, encoder.encode_queries(TEXTS[:9]))


def test_a_model_that_takes_no_instruction_says_so(client: EmbeddingClient) -> None:
    with pytest.raises(InvalidInputError, match="this model takes no instruction"):
        client.encode_queries(TEXTS[:2], instruction="write the file")


def test_apis_without_a_place_for_an_instruction_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHERE_API_KEY", "key")
    for endpoint in (
        CohereEndpoint("embed-v4", dimension=8),
        OpenAIEndpoint("m", dimension=8, url="http://127.0.0.1:9"),
    ):
        with EmbeddingClient(endpoint) as cloud, pytest.raises(InvalidInputError, match="takes no instruction"):
            cloud.encode_queries(["cat"], instruction="write the file")


def test_a_model_whose_prefix_names_fields_encodes_texts_and_is_refused_by_ingest(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    settings = ExportSettings(precision="fp32", document_prefix="title: {title|none} | text: ")
    export(str(tiny_checkpoint), tmp_path / "model", settings)
    encoder = Encoder.load(tmp_path / "model")
    with Service(tmp_path / "model") as service, EmbeddingClient(service.url) as client:
        assert client.document_fields == encoder.document_fields == ("title",)
        assert np.array_equal(client.encode_documents(TEXTS[:3]), encoder.encode_documents(TEXTS[:3]))
        with pytest.raises(InvalidInputError, match="Give the model folder itself"):
            Chunker(client)
