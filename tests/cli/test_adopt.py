from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from qdrant_client import QdrantClient, models

from embed_plugin import Encoder
from support.command_line import run
from support.frameworks import langchain_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXTS = ["the cat sat on the mat", "a dog ran fast", "open the file", "read a line of text"]


@pytest.fixture
def place(tiny_model: Callable[..., Path], tmp_path: Path) -> tuple[str, ...]:
    """A folder with a collection that LangChain filled by the model."""
    client = QdrantClient(path=str(tmp_path / "qdrant"))
    encoder = Encoder.load(tiny_model())
    vectors = models.VectorParams(size=encoder.dimension, distance=models.Distance.COSINE)
    client.create_collection("docs", vectors_config=vectors)
    langchain_store(client, "docs", encoder).add_texts(TEXTS)
    client.close()
    return ("--to", str(tmp_path / "qdrant"), "--collection", "docs")


def test_a_collection_is_taken_over_and_used(place: tuple[str, ...], tiny_model: Callable[..., Path]) -> None:
    model, stdin = tiny_model(), json.dumps({"text": "fire and water"})
    refused = run("ingest", "-", "--model", model, *place, stdin=stdin)
    assert (refused.returncode, "embed-plugin adopt" in refused.stderr) == (1, True)
    done = run("adopt", "--model", model, *place)
    assert (done.returncode, done.stderr.count("\n"), done.stderr[:7]) == (0, 1, "adopt: ")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["points", "layout", "embedded", "result"]
    again = json.loads(run("adopt", "--model", model, *place, "--json", "-").stdout)
    assert (again["adopted"], again["points"], again["layout"]) == (False, 4, "langchain")
    assert run("ingest", "-", "--model", model, *place, stdin=stdin).returncode == 0
    checked = run("verify", "--model", model, *place, "--json", "-")
    assert (checked.returncode, json.loads(checked.stdout)["foreign"]) == (0, 4)
    assert "point " in run("search", TEXTS[1], "--model", model, *place, "--limit", "1").stdout


def test_another_model_is_refused_with_its_cosine(place: tuple[str, ...], tiny_model: Callable[..., Path]) -> None:
    refused = run("adopt", "--model", tiny_model(pooling="cls"), *place)
    assert (refused.returncode, "least cosine to this model's is 0." in refused.stderr) == (1, True)
    assert run("adopt", "--model", tiny_model(), *place[:3], "cats").returncode == 1
