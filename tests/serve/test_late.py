"""Token vectors over a real socket, from a folder of that kind and from one of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import EncoderSettings, LateInteractionEncoder
from embed_plugin.export import ExportSettings, export
from embed_plugin.serve import ServeSettings
from embed_plugin.serve.api import late
from embed_plugin.serve.models.loading import load_models
from serve.conftest import serving
from support.sparse_checkpoints import REFERENCES, exported_m3

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from embed_plugin.types import Rows
    from serve.conftest import RunningServer

TEXTS = ["the quick, brown fox!", "jumps"]
ONE = EncoderSettings(workers=1)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> LateInteractionEncoder:
    folder = tmp_path_factory.mktemp("late") / "model"
    export(str(REFERENCES / "colbert"), folder, ExportSettings(precision="fp32"))
    return LateInteractionEncoder.load(folder, ONE)


@pytest.fixture(scope="module")
def running(encoder: LateInteractionEncoder) -> Iterator[RunningServer]:
    with serving(encoder, ServeSettings(port=0, texts=50, model_names=("tokens",))) as server:
        yield server


def ask(server: RunningServer, inputs: object, **fields: object) -> httpx.Response:
    return server.client.post("/embed_late", json={"inputs": inputs, **fields})


def same(answer: httpx.Response, expected: list[Rows]) -> None:
    assert answer.status_code == 200, answer.text
    for found, rows in zip(answer.json(), expected, strict=True):
        np.testing.assert_array_equal(np.array(found, np.float32), rows)


@pytest.mark.parametrize("role", ["document", "query"])
def test_vectors_are_the_encoders_bit_for_bit(
    running: RunningServer, encoder: LateInteractionEncoder, role: str
) -> None:
    encode = encoder.encode_queries if role == "query" else encoder.encode_documents
    answer = ask(running, TEXTS, role=role, model="tokens")
    same(answer, encode(TEXTS))
    assert answer.headers["embed-fingerprint"] == encoder.fingerprint
    assert answer.headers["embed-dimension"] == str(encoder.dimension)
    same(ask(running, TEXTS[0], role=role), encode(TEXTS[:1]))
    assert ask(running, [], role=role).json() == []


def test_what_cannot_be_meant_is_refused(running: RunningServer) -> None:
    odd = ask(running, ["a", 3])
    assert (odd.status_code, odd.json()["error"]["index"]) == (422, 1)
    assert ask(running, ["a"], pool_factor=2).status_code == 422
    assert ask(running, ["a"] * 51).json()["error"]["code"] == "too_many_texts"
    wrong = running.embed(["a"])
    assert (wrong.status_code, "needs an embedding model" in wrong.json()["error"]["message"]) == (404, True)
    for role in ("document", "query"):
        long = ask(running, ["a", "fox " * 5000], truncate=False, role=role)
        assert (long.status_code, long.json()["error"]["index"]) == (413, 1)
        assert ask(running, ["a", "fox " * 5000], role=role).headers["embed-truncated"] == "1"


def test_an_answer_is_bounded_before_it_is_computed(
    running: RunningServer, encoder: LateInteractionEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late, "MOST_NUMBERS", 22 * encoder.dimension)  # the tokens of both texts
    assert ask(running, TEXTS).status_code == 200
    ran: list[int] = []
    encoder.runtime.observe(lambda report: ran.append(report.texts))
    many = ask(running, TEXTS * 10)
    assert (many.status_code, many.json()["error"]["code"]) == (413, "too_many_texts")
    assert "an answer has at most 22: send them in several requests" in many.json()["error"]["message"]
    assert "at most 22: split it" in ask(running, "fox " * 40).json()["error"]["message"]
    assert ran == []


def test_a_folder_of_several_kinds_is_loaded_once_for_all_routes(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = exported_m3(tmp_path_factory.mktemp("m3"))
    models = load_models([folder], ONE)
    sessions = {id(model.runtime.session._session) for model in models}
    assert (len(models), len(sessions), len({id(model.runtime.tokenizer) for model in models})) == (3, 1, 1)
    with serving(models, ServeSettings(port=0, model_names=("m3",))) as server:
        same(ask(server, TEXTS, model="m3"), LateInteractionEncoder.load(folder, ONE).encode_documents(TEXTS))
        assert server.embed(TEXTS, model="m3").status_code == 200
        listed = server.client.get("/info").json()["models"]
        assert [(each["model"], each["kind"]) for each in listed] == [
            ("m3", "embedding"),
            ("m3", "sparse"),
            ("m3", "late-interaction"),
        ]


def test_the_interface_names_the_route(running: RunningServer) -> None:
    described = running.client.get("/openapi.json").json()["paths"]["/embed_late"]["post"]
    assert "compared by max-sim" in described["description"]
    assert {"404", "413"} <= set(described["responses"])
