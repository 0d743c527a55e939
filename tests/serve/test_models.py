"""Several models in one process: which one a request is for, and what all of them share."""

from __future__ import annotations

import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from embed_plugin import Encoder, EncoderSettings, InvalidInputError, Reranker
from embed_plugin.cli.app import app
from embed_plugin.encode.turns import Turns
from embed_plugin.serve import ServeSettings, create_app
from serve.conftest import serving, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from embed_plugin.encode.text_model import TextModel
    from serve.conftest import RunningServer, ServerProcess

NAMES = ("small", "other", "ranks")
TEXTS = ["the cat sat", "a dog ran fast"]
Models = tuple[Encoder, Encoder, Reranker]


@pytest.fixture
def models(tiny_model: Callable[..., Path], tiny_reranker: Callable[..., Path]) -> Models:
    one = EncoderSettings(workers=1)
    return (
        Encoder.load(tiny_model(), one),
        Encoder.load(tiny_model(pooling="cls"), one),
        Reranker.load(tiny_reranker(), one),
    )


@pytest.fixture
def three(models: Models) -> Iterator[RunningServer]:
    with serving(list(models), ServeSettings(port=0, queue_tokens=1000, model_names=NAMES)) as running:
        yield running


def vectors(server: RunningServer, *, model: str) -> Any:  # noqa: ANN401 - JSON
    answer = server.embed(TEXTS, model=model)
    assert answer.status_code == 200, answer.text
    return np.array(answer.json()["embeddings"], np.float32)


def test_a_model_is_found_by_name_or_fingerprint_and_gives_its_own_bits(three: RunningServer, models: Models) -> None:
    for name, encoder in zip(NAMES, models[:2], strict=False):
        for called in (name, encoder.fingerprint):
            np.testing.assert_array_equal(vectors(three, model=called), encoder.encode_documents(TEXTS))
        counted = three.client.post("/count_tokens", json={"texts": TEXTS, "model": name}).json()
        assert (counted["model"], counted["fingerprint"]) == (name, encoder.fingerprint)
        with openai.OpenAI(base_url=f"{three.url}/v1", api_key="none") as client:
            answer = client.embeddings.create(model=f"{name}:query", input=TEXTS)
        np.testing.assert_array_equal(
            np.array([each.embedding for each in answer.data], np.float32), encoder.encode_queries(TEXTS)
        )


def test_the_only_model_of_its_kind_needs_no_name(three: RunningServer, models: Models) -> None:
    body = {"query": "the cat", "texts": TEXTS, "raw_scores": True}
    found = three.client.post("/rerank", json=body).json()
    assert [(each["index"], each["score"]) for each in found] == models[2].rank("the cat", TEXTS)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (None, "names no model, and several of this kind"),
        ("ranks", "'ranks' is not an embedding model"),
        ("ada", "no model 'ada' here"),
    ],
)
def test_an_ambiguous_or_wrong_name_is_404_with_those_there_are(
    three: RunningServer, model: str | None, problem: str
) -> None:
    answer = three.embed(TEXTS, model=model)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert problem in answer.json()["error"]["message"]
    assert all(repr(name) in answer.json()["error"]["message"] for name in NAMES)


def test_all_are_listed(three: RunningServer, models: Models) -> None:
    info = three.client.get("/info").json()
    assert [(each["model"], each["fingerprint"], each["kind"]) for each in info["models"]] == [
        (name, model.fingerprint, model.kind) for name, model in zip(NAMES, models, strict=True)
    ]
    assert info["model"] == "small"
    assert three.client.get("/info", params={"model": "ranks"}).json()["fingerprint"] == models[2].fingerprint
    assert three.client.get("/info", params={"model": "ada"}).status_code == 404
    assert [each["id"] for each in three.client.get("/v1/models").json()["data"]] == list(NAMES)
    ready = three.client.get("/health/ready").json()
    assert ready["fingerprints"] == {name: model.fingerprint for name, model in zip(NAMES, models, strict=True)}


def test_a_series_has_the_model_that_it_counts(three: RunningServer) -> None:
    def texts_of() -> dict[str, float]:
        families = text_string_to_metric_families(three.client.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples if sample.name == "embed_texts_total"]
        return {name: sum(each.value for each in samples if each.labels["model"] == name) for name in NAMES}

    assert texts_of() == dict.fromkeys(NAMES, 0)
    three.embed(TEXTS, model="other")
    three.client.post("/rerank", json={"query": "the cat", "texts": ["a", "b", "c"]})
    wait_until(lambda: texts_of() == {"small": 0, "other": 2, "ranks": 3})


def test_one_model_that_fails_makes_the_service_not_ready(three: RunningServer, models: Models) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("the engine failed")

    models[2].runtime.queue._run = fail  # type: ignore[assignment]
    answer = three.client.get("/health/ready")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")


class Gate:
    """Runs of all models wait for it, and are noted."""

    def __init__(self, models: Models) -> None:
        self.open = threading.Event()
        self.ran: list[tuple[str, int]] = []
        for name, model in zip(NAMES, models, strict=True):
            self._hold(name, model)

    def __enter__(self) -> None:
        """Nothing runs."""

    def __exit__(self, *_: object) -> None:
        self.open.set()

    def _hold(self, name: str, model: TextModel) -> None:
        run = model.runtime.queue._run

        def wait_and_run(ids: Any) -> Any:  # noqa: ANN401 - as a session has it
            self.ran.append((name, ids.shape[1]))
            self.open.wait()
            return run(ids)

        model.runtime.queue._run = wait_and_run


def test_one_worker_runs_one_batch_of_all_models_and_a_query_waits_for_no_bulk(
    three: RunningServer, models: Models
) -> None:
    gate = Gate(models)
    scheduler = three.service.scheduler
    with ThreadPoolExecutor(3) as threads, gate:
        bulk = threads.submit(three.embed, ["cat " * 48] * 40, model="small")
        wait_until(lambda: len(gate.ran) == 1 and scheduler.admission.waiting("bulk") > 1500)
        refused = three.embed(["cat " * 48] * 40, model="other")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "overloaded")  # one queue for all
        body = {"query": "the cat", "texts": TEXTS}
        query = threads.submit(three.client.post, "/rerank", json=body)
        turns = models[2].runtime.queue.turns
        wait_until(lambda: turns is not None and turns.waiting == 1)
        assert [name for name, _ in gate.ran] == ["small"]
        gate.open.set()
        assert (bulk.result().status_code, query.result().status_code) == (200, 200)
    assert gate.ran[1][0] == "ranks"


def test_a_client_that_gives_up_leaves_the_queue_of_its_model(three: RunningServer, models: Models) -> None:
    gate = Gate(models)
    headers = {"Embed-Deadline-Ms": "100"}
    late = three.embed(["cat " * 48] * 40, model="other", headers=headers)
    assert late.status_code == 504
    gate.open.set()
    wait_until(lambda: three.service.scheduler.admission.waiting("bulk") == 0)


def test_a_model_alone_has_no_turns_to_wait_for(server: RunningServer, three: RunningServer, models: Models) -> None:
    assert server.encoder.runtime.queue.turns is None
    shared = models[0].runtime.queue.turns
    assert isinstance(shared, Turns)
    assert all(model.runtime.queue.turns is shared for model in models)
    assert three.service.scheduler.workers == 1


def test_models_that_requests_cannot_tell_apart_are_refused(
    models: Models, tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    two = list(models[:2])
    with pytest.raises(InvalidInputError, match="2 models are called 'x': give --model-name once for each folder"):
        create_app(two, ServeSettings(model_names=("x", "x")))
    with pytest.raises(InvalidInputError, match="names given: 1, model folders: 2"):
        create_app(two, ServeSettings(model_names=("x",)))
    with pytest.raises(InvalidInputError, match="no model to serve"):
        create_app([])
    copied = shutil.copytree(tiny_model(), tmp_path / "copied")
    with pytest.raises(InvalidInputError, match="are one model"):
        create_app([models[0], Encoder.load(copied)], ServeSettings(model_names=("x", "y")))


def test_the_command_serves_several_folders_under_names_in_their_order(
    start_server: Callable[..., ServerProcess], tiny_reranker: Callable[..., Path]
) -> None:
    started = start_server(str(tiny_reranker()), "--model-name", "vectors", "--model-name", "ranks")
    assert started.event("listening")["model"] == "vectors, ranks"
    started.wait_until_ready()
    with httpx.Client(base_url=started.url) as client:
        assert client.post("/embed", json={"texts": TEXTS, "model": "vectors"}).json()["model"] == "vectors"
        ranked = client.post("/v1/rerank", json={"query": "the cat", "documents": TEXTS, "model": "ranks"}).json()
        assert sorted(each["index"] for each in ranked["results"]) == [0, 1]
    started.process.send_signal(signal.SIGTERM)
    assert started.end() == 0


def test_the_command_refuses_a_folder_twice_and_too_few_names(tiny_model: Callable[..., Path]) -> None:
    folder, other = str(tiny_model()), str(tiny_model(pooling="cls"))
    twice = CliRunner().invoke(app, ["serve", folder, folder, "--port", "0"])
    assert isinstance(twice.exception, InvalidInputError)
    assert "is given 2 times" in str(twice.exception)
    unnamed = CliRunner().invoke(app, ["serve", folder, other, "--port", "0", "--model-name", "x"])
    assert "names given: 1, model folders: 2" in str(unnamed.exception)
