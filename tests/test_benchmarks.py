"""The parts of the benchmarks that have a right answer, and the talk with a contender's process."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conftest import tiny_tokenizer
from contenders import OURS, ROSTER
from contenders.lineup import Lineup
from contenders.process import ContenderError, ContenderProcess, Place
from lib.checkpoints import Shape, random_weights
from lib.comparison import compare
from lib.report import report
from lib.silicon import Silicon, ceiling, seconds_at_ceiling
from lib.stream_texts import stream
from lib.tables import figure, rate, spread, table
from lib.workloads import TextCutter, mixed_lengths, short_lengths
from sections.throughput import cosines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WORDS = "the cat sat on a mat . how to open and close red houses fast ? unreadable, watered fires !"


@pytest.fixture
def cutter(tmp_path: Path) -> TextCutter:
    tiny_tokenizer().save(str(tmp_path / "tokenizer.json"))
    return TextCutter(tmp_path / "tokenizer.json", [WORDS] * 20)


def test_lengths_are_as_stated_and_the_same_every_time() -> None:
    short, mixed = short_lengths(5000), mixed_lengths(5000)
    assert (min(short), max(short)) == (5, 93)
    assert np.mean(short) == pytest.approx(50, abs=1)
    assert min(mixed) >= 10
    assert max(mixed) <= 510
    assert np.mean(mixed) == pytest.approx(182, abs=5)
    assert mixed == mixed_lengths(5000)


def test_texts_have_exactly_the_tokens_they_should(cutter: TextCutter) -> None:
    lengths = [*short_lengths(40), 3, 8, 16, 512]
    workload = cutter.cut("A", lengths)
    tokenizer = tiny_tokenizer()
    tokenizer.no_truncation()
    tokenizer.no_padding()
    assert [len(encoding.ids) for encoding in tokenizer.encode_batch(workload.texts)] == lengths
    assert len(set(workload.texts)) > 30


def test_the_ceiling_is_the_formulas() -> None:
    # One text of 10 tokens, 2 layers, 4 channels, 8 feed-forward: 10 * 2 * 2 * (4 * 16 + 2 * 32) = 5120 operations in
    # products with weights, 4 * 2 * 100 * 4 = 3200 in attention. At 1024 and 3200 a second: 5 s + 1 s.
    shape, silicon = Shape(layers=2, hidden=4, feed_forward=8), Silicon(int8_rate=1024.0, fp32_rate=3200.0)
    assert seconds_at_ceiling([10], shape, silicon) == 6
    assert ceiling([10, 10], shape, silicon, workers=3) == 0.5
    assert ceiling([10], shape, Silicon(None, None, "no compiler"), workers=1) is None


def test_tables_and_figures() -> None:
    assert table(("", "a"), [["row", "1"]]) == "| | a |\n| --- | ---: |\n| row | 1 |\n".replace("| |", "|  |")
    assert (figure(1234.5), figure(56.78), figure(0.12345), figure(None)) == ("1234", "56.8", "0.123", "-")
    assert rate(100, [1.0, 2.0, 4.0]) == 50
    assert spread(100, [1.0, 2.0, 4.0]) == "25.0-100"


def test_the_report_has_figures_and_reasons() -> None:
    seconds = {"seconds": [2.0, 1.0, 4.0], "cpu_seconds": [2.0, 1.0, 4.0], "settings": {}}
    closeness = {"cosine_mean": 0.99876, "cosine_least": None}
    empty: dict[str, object] = {"failed": None, "versions": {}, "latency": None, "start": None}
    model = {
        "label": "a model",
        "workloads": {"A": {"label": "short", "texts": 100, "tokens": 5000, "ceiling": 200.0}},
        "contenders": {
            OURS: {"label": "ours", **empty, "workloads": {"A": {**seconds, **closeness}}},
            "peer": {"label": "peer", **empty, "failed": "ImportError: a | b", "workloads": {}},
        },
    }
    results = {
        "machine": {"cpu": "a CPU", "threads": 2, "system": "Linux", "date": "2026-01-01"},
        "silicon": {"int8_rate": None, "fp32_rate": None, "reason": "no C compiler", "int8_rates": []},
        "texts": "docstrings",
        "rounds": 3,
        "models": {"m": model},
        "memory": None,
        "versions": {},
    }
    page = report(results)
    assert "| ours | 50.0 | 25.0-100 | 2500 | 1.00 | 25 % | 0.9988 | - | 1.0 | defaults |" in page
    assert "| peer | ImportError: a / b |" in page
    assert "not known (no C compiler)" in page


def test_a_stream_is_sampled_from_before_its_first_text(tiny_model: Callable[..., Path]) -> None:
    found = stream(tiny_model(), 400, WORDS.split())
    assert [sample["texts"] for sample in found["samples"]] == list(range(0, 401, 2))
    assert all(sample["resident_bytes"] > 2**20 for sample in found["samples"])


def test_cosines_know_another_space_when_they_see_one(tmp_path: Path) -> None:
    np.save(tmp_path / "exact.npy", np.eye(3, dtype=np.float32))
    np.save(tmp_path / "same.npy", 2 * np.eye(3, dtype=np.float32))
    np.save(tmp_path / "other.npy", np.ones((3, 2), dtype=np.float32))
    exact = tmp_path / "exact.npy"
    assert cosines(tmp_path / "same.npy", exact) == {"cosine_mean": 1.0, "cosine_least": 1.0}
    assert cosines(tmp_path / "other.npy", exact) == {"cosine_mean": None, "cosine_least": None}
    assert cosines(tmp_path / "missing.npy", exact)["cosine_mean"] is None


def test_random_weights_have_the_shape_that_is_named() -> None:
    weights = random_weights(Shape(2, 8, 16), vocabulary=5, positions=4)
    assert weights["encoder.layer.1.output.dense.weight"].shape == (8, 16)
    assert len(weights) == 5 + 2 * 16
    assert {values.dtype for values in weights.values()} == {np.dtype(np.float32)}


def test_a_slowdown_is_told_from_noise() -> None:
    slower = compare([1.0, 1.1, 0.9, 1.0, 1.0], [1.2, 1.3, 1.1, 1.2, 1.2])
    assert slower.ratio == pytest.approx(1.2, abs=0.02)
    assert slower.is_slower_than(1.05)
    noise = compare([1.0, 2.0, 1.0, 2.0, 1.0], [2.0, 1.0, 1.1, 1.9, 1.2])
    assert not noise.is_slower_than(1.05)


@pytest.fixture
def place(tiny_model: Callable[..., Path], tmp_path: Path) -> Place:
    model = tiny_model()
    work = tmp_path / "work"
    work.mkdir()
    (work / "embed-plugin-int8").symlink_to(model)
    return Place(sys.executable, model.parent / "checkpoint", work, tmp_path, threads=1)


@pytest.fixture
def contender(place: Place) -> Iterator[ContenderProcess]:
    with ContenderProcess(ROSTER[OURS], place) as process:
        yield process


def test_a_process_loads_tunes_encodes_and_tells_its_memory(contender: ContenderProcess, tmp_path: Path) -> None:
    (tmp_path / "texts.json").write_text(json.dumps(["the cat", "a dog ran"]), encoding="utf-8")
    texts = str(tmp_path / "texts.json")
    loaded = contender.ask("load", {"text": "the cat"})
    assert 0 < loaded["import_seconds"] < loaded["seconds"]
    assert loaded["versions"]["embed-plugin"]
    assert contender.ask("tune", {"texts": texts, "count": 2, "repeats": 1})["settings"] == {}
    assert contender.ask("encode", {"texts": texts, "save": str(tmp_path / "vectors.npy")})["seconds"] > 0
    np.testing.assert_allclose(np.linalg.norm(np.load(tmp_path / "vectors.npy"), axis=1), 1, atol=1e-6)
    assert len(contender.ask("latency", {"text": "a dog", "count": 3, "pause_seconds": 0})["milliseconds"]) == 3
    assert contender.ask("memory")["peak_bytes"] > 2**20


def test_an_error_is_an_answer_and_the_process_goes_on(contender: ContenderProcess) -> None:
    with pytest.raises(ContenderError, match="asked to encode before load"):
        contender.ask("latency", {"text": "a", "count": 1, "pause_seconds": 0})
    contender.ask("load", {"text": "the cat"})


def test_a_dead_process_is_told(contender: ContenderProcess) -> None:
    contender.close()
    with pytest.raises(ContenderError, match="its process ended"):
        contender.ask("memory")


def test_who_fails_leaves_and_the_others_go_on(place: Place) -> None:
    with Lineup([ROSTER["fastembed"], ROSTER[OURS]], lambda _: place) as lineup:
        assert list(lineup.load("the cat")) == [OURS]
        assert "fastembed" in lineup.failed["fastembed"]
        assert [contender.name for contender in lineup.standing(1)] == [OURS]
