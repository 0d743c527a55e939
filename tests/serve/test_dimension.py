"""Requests for shorter vectors than the model's."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import openai
import pytest

from conftest import make_checkpoint
from embed_plugin import Encoder
from embed_plugin.export import ExportSettings, export
from embed_plugin.wire import FINGERPRINT_HEADER, FLOATS, LINES
from serve.conftest import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serve.conftest import RunningServer

TEXTS = ["the cat sat", "a dog ran fast"]


@pytest.fixture(scope="module")
def shortening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    work = tmp_path_factory.mktemp("shortening")
    checkpoint = make_checkpoint(work / "checkpoint", matryoshka_dimensions=[8, 16, 32])
    export(str(checkpoint), work / "model", ExportSettings(min_cosine=0.9))
    with serving(Encoder.load(work / "model")) as running:
        yield running


def embed(server: RunningServer, dimension: object, accept: str = "application/json") -> httpx.Response:
    return httpx.post(f"{server.url}/embed", json={"texts": TEXTS, "dimension": dimension}, headers={"Accept": accept})


def test_every_form_has_the_vectors_of_an_encoder_of_that_length(shortening: RunningServer) -> None:
    short = Encoder.load(shortening.encoder.folder, dimension=8)
    expected = short.encode_documents(TEXTS)
    whole = embed(shortening, 8).json()
    np.testing.assert_array_equal(np.array(whole["embeddings"], np.float32), expected)
    assert (whole["dimension"], whole["fingerprint"]) == (8, short.fingerprint)
    raw = embed(shortening, 8, FLOATS)
    np.testing.assert_array_equal(np.frombuffer(raw.content, "<f4").reshape(2, 8), expected)
    assert raw.headers[FINGERPRINT_HEADER] == short.fingerprint
    lines: list[dict[str, Any]] = [json.loads(line) for line in embed(shortening, 8, LINES).text.splitlines()]
    np.testing.assert_array_equal(np.array([each["embedding"] for each in lines[:2]], np.float32), expected)


def test_openai_calls_it_dimensions(shortening: RunningServer) -> None:
    name = shortening.model.name
    with openai.OpenAI(base_url=f"{shortening.url}/v1", api_key="-", max_retries=0) as client:
        answer = client.embeddings.create(model=name, input=TEXTS, dimensions=16)
        with pytest.raises(openai.BadRequestError, match=r"dimensions: .* was trained for vectors of 8, 16, 32"):
            client.embeddings.create(model=name, input=TEXTS, dimensions=12)
    expected = Encoder.load(shortening.encoder.folder, dimension=16).encode_documents(TEXTS)
    np.testing.assert_array_equal(np.array([each.embedding for each in answer.data], np.float32), expected)


@pytest.mark.parametrize(
    ("dimension", "message"),
    [(12, "dimension: .* found dimension 12"), (0, "dimension is 0"), (64, "dimension is 64"), ("8", "valid integer")],
)
def test_lengths_that_the_model_has_not_are_refused(shortening: RunningServer, dimension: object, message: str) -> None:
    refused = embed(shortening, dimension)
    assert refused.status_code == 422
    assert re.search(message, refused.json()["error"]["message"])


def test_the_models_own_length_is_no_cut(shortening: RunningServer) -> None:
    assert embed(shortening, 32).json()["fingerprint"] == shortening.model.fingerprint
    assert embed(shortening, None).json()["dimension"] == 32
