from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embed_plugin import InvalidInputError
from embed_plugin.serve.scheduler import WINDOW_TEXTS
from serve.conftest import serving

if TYPE_CHECKING:
    import httpx
    import numpy.typing as npt

    from embed_plugin.types import RunRows
    from serve.conftest import HeldEncoder, RunningServer

TEXTS = ["the cat sat", "a dog", "", "🙂 图", "the red house " * 30]


def rows_of(answer: httpx.Response) -> Any:  # noqa: ANN401
    return np.frombuffer(answer.content, "<f4").reshape(-1, int(answer.headers["embed-dimension"]))


@pytest.mark.parametrize("role", ["document", "query"])
def test_the_vectors_are_the_encoders_to_the_bit(server: RunningServer, role: str) -> None:
    encoder = server.encoder
    expected = (encoder.encode_queries if role == "query" else encoder.encode_documents)(TEXTS)
    found = server.embed(TEXTS, role=role).json()
    np.testing.assert_array_equal(np.array(found["embeddings"], np.float32), expected)
    counts = encoder.count_tokens(TEXTS, role=role)  # type: ignore[arg-type]
    assert found["usage"] == {"texts": 5, "tokens": int(counts.sum())}
    assert (found["fingerprint"], found["dimension"], found["truncated"]) == (encoder.fingerprint, 32, [])
    assert found["latency_ms"] > 0


def test_raw_floats_are_the_same_vectors(server: RunningServer) -> None:
    answer = server.embed(TEXTS, headers={"Accept": "application/octet-stream"})
    np.testing.assert_array_equal(rows_of(answer), server.encoder.encode_documents(TEXTS))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["embed-model"] == server.model.name
    assert answer.headers["embed-fingerprint"] == server.model.fingerprint
    assert int(answer.headers["embed-tokens"]) == int(server.encoder.count_tokens(TEXTS).sum())
    assert answer.headers["embed-truncated"] == ""


def test_lines_come_in_order_and_end_with_a_summary(server: RunningServer) -> None:
    texts = [f"cat {n} " * (1 + n % 5) for n in range(WINDOW_TEXTS + 20)]
    answer = server.embed(texts, headers={"Accept": "application/x-ndjson"})
    *lines, last = map(json.loads, answer.text.splitlines())
    assert [line["index"] for line in lines] == list(range(len(texts)))
    expected = server.encoder.encode_documents(texts)
    np.testing.assert_array_equal(np.array([line["embedding"] for line in lines], np.float32), expected)
    assert last["done"] is True
    assert last["usage"]["texts"] == len(texts)
    assert answer.headers["embed-dimension"] == "32"


@pytest.mark.parametrize("accept", ["application/json", "application/octet-stream", "application/x-ndjson"])
def test_no_texts_no_vectors(server: RunningServer, accept: str) -> None:
    answer = server.embed([], headers={"Accept": accept})
    assert answer.status_code == 200
    assert "0.1" not in answer.text


def test_a_long_text_is_cut_and_named_or_refused(server: RunningServer) -> None:
    texts = ["the cat", "cat " * 600, "a dog", "dog " * 900]
    found = server.embed(texts).json()
    assert found["truncated"] == [1, 3]
    assert found["usage"]["tokens"] == 4 + 512 + 4 + 512
    assert server.embed(texts, headers={"Accept": "application/octet-stream"}).headers["embed-truncated"] == "1,3"
    refused = server.embed(texts, truncate=False)
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "text_too_long")
    assert refused.json()["error"]["index"] == 1


def test_a_text_beyond_the_characters_is_cut_by_tokens_where_it_may_be(server: RunningServer) -> None:
    text = "the cat sat " * 2000
    found = server.embed(["a dog", text], truncate=True).json()
    assert found["truncated"] == [1]
    expected = server.encoder.encode_documents([text])
    np.testing.assert_array_equal(np.array(found["embeddings"][1:], np.float32), expected)
    assert server.client.post("/count_tokens", json={"texts": [text]}).status_code == 413


def test_the_model_may_be_named_and_no_other(server: RunningServer) -> None:
    for name in (server.model.name, server.model.fingerprint, None):
        assert server.embed(["the cat"], model=name).status_code == 200
    refused = server.embed(["the cat"], model="text-embedding-3-small")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")
    assert server.model.fingerprint in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("texts", "index", "problem"),
    [
        (["a", 3], 1, "valid string"),
        (["a", None, "b"], 1, "valid string"),
        (["\ud800"], 0, "surrogate"),
        (["a"] * 70 + ["\udfff"], 70, "surrogate"),
    ],
    ids=["a number", "null", "a surrogate", "in the second slice"],
)
def test_a_bad_text_is_named_by_its_index(server: RunningServer, texts: list[Any], index: int, problem: str) -> None:
    answer = server.client.post(
        "/embed", content=json.dumps({"texts": texts}), headers={"Content-Type": "application/json"}
    )
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["index"]) == (422, "invalid_text", index)
    assert f"text {index}" in error["message"]
    assert problem in error["message"]


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"texts": ["a"] * 301}, 413, "too_many_texts"),
        ({"texts": ["a", "b" * 20_001], "truncate": False}, 413, "text_too_long"),
        ({"texts": ["b" * 9_000] * 12}, 413, "body_too_large"),
        ({"texts": "the cat"}, 422, "invalid_request"),
        ({"texts": ["a"], "rolle": "query"}, 422, "invalid_request"),
        ({"texts": ["a"], "role": "poem"}, 422, "invalid_request"),
        ({}, 422, "invalid_request"),
        ([], 422, "invalid_request"),
        (None, 422, "invalid_request"),
    ],
    ids=str,
)
def test_what_cannot_be_served_is_refused_with_its_code(
    server: RunningServer, fields: object, status: int, code: str
) -> None:
    answer = server.client.post("/embed", json=fields)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert server.embed(["the cat"]).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 50_000, b'{"texts": ["a"]} x'])
def test_what_is_no_json_is_refused(server: RunningServer, body: bytes) -> None:
    answer = server.client.post("/embed", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")


def test_a_bad_text_fails_nobody_elses_request(server: RunningServer) -> None:
    def ask(number: int) -> int:
        return server.embed(["the cat", 3 if number % 3 == 0 else "a dog"]).status_code

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(30))) == [422 if number % 3 == 0 else 200 for number in range(30)]


def test_many_at_once_get_their_own_vectors(server: RunningServer) -> None:
    texts = [[f"cat {n} {'dog ' * (n % 9)}", f"water {n}"] for n in range(40)]
    expected = [server.encoder.encode_documents(each) for each in texts]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda each: server.embed(each).json()["embeddings"], texts))
    np.testing.assert_array_equal(np.array(answers, np.float32), np.array(expected))


def test_tokens_are_counted_as_the_encoder_does(server: RunningServer) -> None:
    texts = ["the cat", "cat " * 600, *["a dog"] * 70]
    answer = server.client.post("/count_tokens", json={"texts": texts, "role": "query"}).json()
    assert answer["tokens"] == server.encoder.count_tokens(texts, role="query").tolist()
    assert answer["max_tokens"] == 512
    assert server.client.post("/count_tokens", json={"texts": ["a", 3]}).json()["error"]["index"] == 1


def test_info_tells_model_and_limits(server: RunningServer) -> None:
    found = server.client.get("/info").json()
    spec = server.encoder.spec
    assert (found["model"], found["fingerprint"], found["precision"]) == (spec.source, spec.fingerprint, "int8")
    assert found["query_prefix"] == "query: "
    assert found["limits"] == {"texts": 300, "text_characters": 20_000, "body_bytes": 100_000}


def test_a_path_or_a_method_that_is_not_there(server: RunningServer) -> None:
    missing, method = server.client.get("/nothing"), server.client.get("/embed")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    assert (method.status_code, method.json()["error"]["code"]) == (405, "method_not_allowed")
    assert method.headers["Allow"] == "POST"


def test_openapi_documents_every_route_form_and_error(server: RunningServer) -> None:
    paths = server.client.get("/openapi.json").json()["paths"]
    assert {"/embed", "/count_tokens", "/info", "/v1/embeddings", "/v1/models"} <= paths.keys()
    assert {"/health/live", "/health/ready", "/metrics"} <= paths.keys()
    answers = paths["/embed"]["post"]["responses"]
    assert {"200", "401", "404", "408", "413", "422", "429", "500", "503", "504"} == answers.keys()
    forms = {"application/json", "application/octet-stream", "application/x-ndjson"}
    assert forms == answers["200"]["content"].keys()
    assert "Embed-Deadline-Ms" in json.dumps(paths["/embed"]["post"]["parameters"])


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
def test_a_text_that_the_model_does_not_take_is_named(
    held: HeldEncoder, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    def refuse_fire(ids: npt.NDArray[np.int64]) -> RunRows:
        if (ids == held.encoder.runtime.tokenise(["fire"]).ids[0][1]).any():
            raise InvalidInputError("the model does not take its tokens")
        return run(ids)

    run = held._run
    monkeypatch.setattr(held, "_run", refuse_fire)
    with serving(held.encoder) as server:
        answer = server.embed(["the cat"] * 300 + ["fire"], headers={"Accept": accept})
        error = json.loads(answer.text.splitlines()[-1])["error"]
        assert (error["code"], error["index"]) == ("invalid_text", 300)
        assert error["message"] == "text 300: the model does not take its tokens"
