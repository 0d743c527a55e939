"""Weights of words over a real socket, from folders of one kind and of several."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import Encoder, EncoderSettings, SparseEncoder
from embed_plugin.serve import ServeSettings
from embed_plugin.serve.models.loading import load_models
from embed_plugin.types import SparseVector
from serve.conftest import serving
from support.sparse_checkpoints import checkpoint_of, exported, exported_m3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from serve.conftest import RunningServer

TEXTS = ["the cat sat on the mat", "a dog ran fast"]
ONE = EncoderSettings(workers=1)


@pytest.fixture(scope="module")
def with_table(tmp_path_factory: pytest.TempPathFactory) -> SparseEncoder:
    made = tmp_path_factory.mktemp("sparse")
    folder = exported(checkpoint_of("splade-queries", made / "splade-queries"), made / "model")
    return SparseEncoder.load(folder, ONE)


@pytest.fixture(scope="module")
def several_kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that gives vectors, weights of words and token vectors."""
    return exported_m3(tmp_path_factory.mktemp("m3"))


@pytest.fixture(scope="module")
def weighing(with_table: SparseEncoder) -> Iterator[RunningServer]:
    with serving(with_table, ServeSettings(port=0, texts=50, model_names=("words",))) as running:
        yield running


def weigh(server: RunningServer, inputs: object, **fields: object) -> httpx.Response:
    return server.client.post("/embed_sparse", json={"inputs": inputs, **fields})


def vectors_of(answer: httpx.Response) -> list[SparseVector]:
    assert answer.status_code == 200, answer.text
    return [
        SparseVector(
            np.array([each["index"] for each in words], np.int32),
            np.array([each["value"] for each in words], np.float32),
        )
        for words in answer.json()
    ]


@pytest.mark.parametrize("role", ["document", "query"])
def test_weights_are_the_encoders_bit_for_bit(weighing: RunningServer, with_table: SparseEncoder, role: str) -> None:
    encode = with_table.encode_queries if role == "query" else with_table.encode_documents
    answer = weigh(weighing, TEXTS, role=role, model="words")
    assert vectors_of(answer) == encode(TEXTS)
    assert answer.headers["embed-fingerprint"] == with_table.fingerprint
    assert vectors_of(weigh(weighing, TEXTS[0], role=role)) == encode(TEXTS[:1])
    assert weigh(weighing, [], role=role).json() == []


def test_queries_are_looked_up_and_not_run(weighing: RunningServer, with_table: SparseEncoder) -> None:
    assert with_table.query_table is not None
    run = with_table.runtime.queue._run
    try:
        with_table.runtime.queue._run = None  # type: ignore[assignment]
        assert vectors_of(weigh(weighing, TEXTS[:1], role="query")) == with_table.encode_queries(TEXTS[:1])
    finally:
        with_table.runtime.queue._run = run


def test_what_cannot_be_meant_is_refused_with_the_texts_index(weighing: RunningServer) -> None:
    odd = weigh(weighing, ["a", 3])
    assert (odd.status_code, odd.json()["error"]["index"]) == (422, 1)
    for inputs, problem in ((3, "inputs is a int"), ([1, 2], "inputs is token ids"), (None, "inputs")):
        answer = weigh(weighing, inputs)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")
        assert problem in answer.json()["error"]["message"]
    assert weigh(weighing, ["a"] * 51).json()["error"]["code"] == "too_many_texts"
    assert weigh(weighing, ["a"], normalize=True).status_code == 422
    assert weighing.client.post("/embed_sparse", json={"role": "query"}).status_code == 422
    for role in ("document", "query"):
        long = weigh(weighing, ["a", "cat " * 5000], truncate=False, role=role)
        assert (long.status_code, long.json()["error"]["index"]) == (413, 1)
        assert weigh(weighing, ["a", "cat " * 5000], role=role).headers["embed-truncated"] == "1"


@pytest.mark.parametrize("inputs", ['"\\ud800"', '["a", "\\ud800"]'])
def test_a_lone_surrogate_is_refused(weighing: RunningServer, inputs: str) -> None:
    answer = weighing.client.post(
        "/embed_sparse", content=f'{{"inputs": {inputs}}}', headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_text")
    assert answer.json()["error"]["index"] == len(json.loads(inputs.replace("\\ud800", "x"))) - 1


def test_tokens_are_counted_by_the_only_tokenizer(weighing: RunningServer, with_table: SparseEncoder) -> None:
    counted = weighing.client.post("/count_tokens", json={"texts": ["the cat"], "role": "query"}).json()
    assert counted["tokens"] == with_table.count_tokens(["the cat"], role="query").tolist()


def test_a_folder_of_several_kinds_has_all_routes_and_one_name(several_kinds: Path) -> None:
    models = load_models([several_kinds], ONE)
    with serving(models, ServeSettings(port=0, model_names=("m3",))) as server:
        vectors = np.array(server.embed(TEXTS[:1], model="m3").json()["embeddings"], np.float32)
        np.testing.assert_array_equal(vectors, Encoder.load(several_kinds, ONE).encode_documents(TEXTS[:1]))
        words = vectors_of(weigh(server, TEXTS[:1], model="m3"))
        assert words == SparseEncoder.load(several_kinds, ONE).encode_documents(TEXTS[:1])
        listed = server.client.get("/info").json()["models"]
        assert [each["kind"] for each in listed] == ["embedding", "sparse", "late-interaction"]
        assert [each["id"] for each in server.client.get("/v1/models").json()["data"]] == ["m3"]
        assert 'kind="sparse"' in server.client.get("/metrics").text
