"""Shorter vectors than the model's, from a service of a model that was trained for it."""

from __future__ import annotations

import asyncio
import pickle
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest

from conftest import make_checkpoint
from embed_plugin import Encoder, EndpointUnavailableError, InvalidInputError, OtherSpaceError
from embed_plugin.client import AsyncEmbeddingClient, EmbeddingClient, OpenAIEndpoint
from embed_plugin.client.endpoints.service import _matryoshka
from embed_plugin.export import ExportSettings, export
from support.embedding_server import HASTY, OPENS_FOR_GOOD, EmbeddingServer
from support.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXTS = [f"the cat sat on mat {number}" for number in range(20)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("shortening")
    checkpoint = make_checkpoint(work / "checkpoint", matryoshka_dimensions=[8, 16, 32])
    export(str(checkpoint), work / "model", ExportSettings(min_cosine=0.9))
    return work / "model"


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    with Service(folder) as started:
        yield started


@pytest.fixture(scope="module")
def short(folder: Path) -> Encoder:
    return Encoder.load(folder, dimension=8)


def test_the_clients_space_is_that_of_an_encoder_of_that_length(service: Service, short: Encoder) -> None:
    with EmbeddingClient(service.url, dimension=8, settings=HASTY) as client:
        assert (client.fingerprint, client.dimension) == (short.fingerprint, 8)
        np.testing.assert_array_equal(client.encode_documents(TEXTS), short.encode_documents(TEXTS))
        np.testing.assert_array_equal(client.encode_queries(TEXTS), short.encode_queries(TEXTS))
        np.testing.assert_array_equal(client.count_tokens(TEXTS), short.count_tokens(TEXTS))
        np.testing.assert_array_equal(list(client.stream_documents(TEXTS)), short.encode_documents(TEXTS))
        assert client.embed([]).fingerprint == short.fingerprint
        copied = pickle.loads(pickle.dumps(client))  # noqa: S301 - our own
        assert (copied.fingerprint, copied.encode_documents(TEXTS).shape) == (short.fingerprint, (20, 8))
        copied.close()


def test_the_models_own_length_is_no_cut(service: Service, folder: Path) -> None:
    with EmbeddingClient(service.url, dimension=32, settings=HASTY) as client:
        assert client.fingerprint == Encoder.load(folder).fingerprint


def test_the_async_client_and_a_pinned_space(service: Service, short: Encoder) -> None:
    async def encode() -> np.ndarray:
        async with AsyncEmbeddingClient(service.url, fingerprint=short.fingerprint, dimension=8) as client:
            return await client.encode_documents(TEXTS)

    np.testing.assert_array_equal(asyncio.run(encode()), short.encode_documents(TEXTS))
    with (
        EmbeddingClient(service.url, fingerprint=short.fingerprint, dimension=16, settings=HASTY) as client,
        pytest.raises(OtherSpaceError, match=f"this client's is {short.fingerprint}"),
    ):
        client.encode_documents(TEXTS)


@pytest.mark.parametrize(
    ("dimension", "says"), [(12, "was trained for vectors of 8, 16, 32; found dimension 12"), (64, "dimension is 64")]
)
def test_a_length_that_the_model_has_not_is_refused(service: Service, dimension: int, says: str) -> None:
    with (
        EmbeddingClient(service.url, dimension=dimension, settings=HASTY) as client,
        pytest.raises(OtherSpaceError, match=says),
    ):
        client.encode_documents(TEXTS)


@pytest.mark.parametrize("dimension", [0, -8, True, "8", 8.0])
def test_what_is_no_length_is_refused_at_once(dimension: object) -> None:
    with pytest.raises(InvalidInputError, match="expected a whole number of at least 1"):
        EmbeddingClient("http://127.0.0.1:1", dimension=dimension)  # type: ignore[arg-type]


def test_a_model_that_may_not_be_cut_is_refused(server: EmbeddingServer) -> None:
    with (
        EmbeddingClient(server.url, dimension=8, settings=HASTY) as client,
        pytest.raises(OtherSpaceError, match=r"nothing says that vectors of .* may be cut: leave dimension out"),
    ):
        client.encode_documents(TEXTS)
    assert server.posts() == []


def test_a_cloud_of_another_length_is_no_fallback(service: Service, server: EmbeddingServer) -> None:
    cloud = OpenAIEndpoint("large", dimension=32, url=f"{server.url}/v1")
    with pytest.raises(
        InvalidInputError, match=r"dimension is 8, and .* of 32 numbers: give it dimension=8, with shor"
    ):
        EmbeddingClient(service.url, fallbacks=[cloud], dimension=8)
    same_length = OpenAIEndpoint("large", dimension=8, url=f"{server.url}/v1")
    with EmbeddingClient("http://127.0.0.1:9", fallbacks=[same_length], dimension=8, settings=HASTY) as client:
        with pytest.raises(EndpointUnavailableError, match="pass fingerprint= to allow that"):
            client.encode_documents(TEXTS)
        assert server.posts("/v1/embeddings") == []


def test_a_fallback_of_the_same_model_fills_in_and_another_does_not(
    folder: Path, service: Service, short: Encoder, server: EmbeddingServer
) -> None:
    with (
        Service(folder) as first,
        EmbeddingClient(first.url, fallbacks=[server.url, service.url], dimension=8, settings=HASTY) as client,
        EmbeddingClient(first.url, fallbacks=[server.url], dimension=8, settings=OPENS_FOR_GOOD) as other,
    ):
        assert client.fingerprint == other.fingerprint == short.fingerprint
        first.stop(signal.SIGKILL)
        found = client.embed(TEXTS)
        assert found.endpoints == (service.url,)
        np.testing.assert_array_equal(found.vectors, short.encode_documents(TEXTS))
        with pytest.raises(EndpointUnavailableError, match="serves another model"):
            other.encode_documents(TEXTS)
        with pytest.raises(EndpointUnavailableError, match="nothing says that vectors"):
            other.embed(TEXTS, on_other_space="return")


def test_an_answer_of_another_space_is_refused(service: Service, short: Encoder) -> None:
    with EmbeddingClient(service.url, dimension=8, settings=HASTY) as client:
        space = client._space()
        assert space.cut_from is not None
        client._client._pool.space = replace(space, dimension=16)  # asks for 16 numbers, and expects the space of 8
        with pytest.raises(OtherSpaceError, match=f"this client's is {short.fingerprint}"):
            client.encode_documents(TEXTS)


def test_info_says_how_vectors_are_cut(service: Service) -> None:
    info = httpx.get(f"{service.url}/info").json()
    assert info["matryoshka"] == {"lengths": [8, 16, 32], "layer_norm": False}


@pytest.mark.parametrize(
    "content",
    [[], {"lengths": 8, "layer_norm": False}, {"lengths": [0], "layer_norm": False}, {"lengths": [], "layer_norm": 1}],
)
def test_what_a_service_says_of_lengths_is_checked(content: object) -> None:
    with pytest.raises((TypeError, ValueError), match="expected"):
        _matryoshka(content)
