from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.embedding_server import EmbeddingServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from embed_plugin import Encoder

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def entries() -> list[dict[str, str]]:
    run = subprocess.run([sys.executable, EXAMPLES / "1_stdlib_docs.py"], capture_output=True, check=True, timeout=120)
    assert run.stderr == b""
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_there_are_thousands_of_docstrings_and_no_name_twice(entries: list[dict[str, str]]) -> None:
    assert len(entries) > 2000
    assert len({entry["id"] for entry in entries}) == len(entries)
    assert {entry["kind"] for entry in entries} == {"module", "class", "function", "method"}


@pytest.mark.parametrize(
    ("name", "kind", "starts"),
    [
        ("subprocess.run", "function", "subprocess.run(*popenargs, input=None, capture_output=False,"),
        ("functools.reduce", "function", "functools.reduce("),
        ("builtins.str.split", "method", "builtins.str.split(sep=None, maxsplit=-1)\n\nReturn a list"),
        ("json", "module", "json\n\nJSON (JavaScript Object Notation)"),
    ],
)
def test_python_and_c_are_both_there(entries: list[dict[str, str]], name: str, kind: str, starts: str) -> None:
    (entry,) = (entry for entry in entries if entry["id"] == name)
    assert entry["kind"] == kind
    assert entry["text"].startswith(starts)


def test_what_is_private_or_a_joke_is_not_there(entries: list[dict[str, str]]) -> None:
    names = [entry["id"].split(".") for entry in entries]
    assert {"antigravity", "idlelib", "test", "turtledemo"}.isdisjoint(first for first, *_ in names)
    assert not any(part.startswith("_") for parts in names for part in parts)


def test_the_nearest_text_comes_first(tiny_model: Callable[..., Path]) -> None:
    command = [sys.executable, str(EXAMPLES / "2_similar_texts.py"), str(tiny_model()), "the cat"]
    run = subprocess.run(command, capture_output=True, check=True, text=True)
    scores = [float(line.split()[0]) for line in run.stdout.splitlines()]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)


def test_a_client_says_who_answered(tiny_encoder: Encoder) -> None:
    with EmbeddingServer(tiny_encoder) as server, EmbeddingServer(tiny_encoder) as twin:
        command = [sys.executable, str(EXAMPLES / "3_embedding_client.py"), server.url, twin.url]
        run = subprocess.run(command, capture_output=True, check=True, text=True)
    *scores, answered, _, fallback = run.stdout.splitlines()
    assert len(scores) == 3
    assert answered == f"vectors of tiny ({tiny_encoder.fingerprint[:12]}) from {server.url}"
    assert fallback == f"circuit of {twin.url}: closed"


def test_every_example_is_run() -> None:
    here = Path(__file__)
    tests = "".join(file.read_text("utf-8") for file in (here, here.parent / "cluster" / "test_spark_example.py"))
    assert all(path.name in tests for path in EXAMPLES.glob("*.py"))
