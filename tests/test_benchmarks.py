"""The parts of the benchmarks that have a right answer, and the talk with a contender's process."""

from __future__ import annotations

import ast
import json
import signal
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conftest import tiny_tokenizer
from contenders import OURS, ROSTER
from contenders.lineup import Lineup
from contenders.process import ContenderError, ContenderProcess, Place
from lib.checkpoints import Shape, random_weights
from lib.comparison import compare
from lib.cosine_counts import CosineCounts
from lib.report import report
from lib.silicon import Silicon, ceiling, seconds_at_ceiling
from lib.stream_texts import stream
from lib.tables import figure, rate, spread, table
from lib.text_pools import Pools, read_vocabulary, standard_library_functions
from lib.varied_texts import MAKERS, varied_texts
from lib.workloads import TextCutter, mixed_lengths, short_lengths
from sections.throughput import cosines
from support.processes import killed_on_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUN = Path(__file__).parents[1] / "benchmarks" / "run"
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


POOLS = Pools(["cat", "sat", "mat"], ["ing", "ed", "s"], ["The cat sat on the mat."], ["def f(x):\n    return x + 1"])


def test_varied_texts_are_the_same_for_one_seed_and_of_every_kind_and_length() -> None:
    made = list(islice(varied_texts(7, POOLS), 3000))
    assert made == list(islice(varied_texts(7, POOLS), 3000))
    assert made != list(islice(varied_texts(8, POOLS), 3000))
    assert Counter(each.kind for each in made).keys() == MAKERS.keys()
    assert all(each.text.strip() for each in made)
    lengths = [len(each.text.split()) for each in made if each.kind == "words"]
    assert min(lengths) == 1
    assert max(lengths) > 300
    assert np.median(lengths) < 15
    assert len({each.text for each in made}) > 2000


def test_a_vocabulary_has_words_and_pieces(tmp_path: Path) -> None:
    tiny_tokenizer().save(str(tmp_path / "tokenizer.json"))
    words, fragments = read_vocabulary(tmp_path / "tokenizer.json")
    assert {"cat", "passage"} <= set(words)
    assert fragments == list("abcdefghijklmnopqrstuvwxyz")
    (tmp_path / "unigram.json").write_text(json.dumps({"model": {"vocab": [["\u2581cat", -1], ["s", -2], ["<s>", 0]]}}))
    assert read_vocabulary(tmp_path / "unigram.json") == (["cat"], ["s"])


def test_functions_of_the_standard_library_are_whole() -> None:
    functions = standard_library_functions()
    assert len(functions) > 300
    for source in functions[::50]:
        assert isinstance(ast.parse(source).body[0], ast.FunctionDef | ast.AsyncFunctionDef)


def test_counted_cosines_have_the_figures_of_the_cosines() -> None:
    cosines = 1 - np.random.default_rng(3).lognormal(-6, 1, 5000)
    counts = CosineCounts()
    for part in np.array_split(cosines, 7):
        counts.add(part)
    counts.add(np.empty(0))
    assert (counts.count, counts.least) == (5000, cosines.min())
    assert counts.mean == pytest.approx(cosines.mean())
    assert 1 - counts.quantile(0.01) == pytest.approx(1 - np.quantile(cosines, 0.01), rel=0.03)
    assert counts.quantile(1e-9) == pytest.approx(counts.least, abs=0.012 * (1 - counts.least))


def run_benchmark(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RUN / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_error_of_int8_is_measured_by_kind(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    int8, fp32 = (tiny_model(precision=precision) for precision in ("int8", "fp32"))
    options = ("--baseline", fp32, "--shared", tmp_path, "--texts", "20")
    done = run_benchmark("int8_error.py", int8, *options, "--json", tmp_path / "error.json")
    assert done.returncode == 0, done.stderr
    assert "skipped abstracts, claims: " in done.stderr
    found = json.loads((tmp_path / "error.json").read_text())["folders"][0]
    assert found["agreement_at_10"] is None
    assert {"docstrings", "code", "single words"} <= {each["kind"] for each in found["kinds"]}
    assert all(0.9 < each["least_cosine"] <= each["mean_cosine"] < 1 for each in found["kinds"])
    refused = run_benchmark("int8_error.py", int8, "--baseline", int8)
    assert "precision would have to change; give the folder of  export --precision fp32" in refused.stderr
    assert refused.returncode == 1


def test_the_worst_texts_are_found_and_shown(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    int8, fp32 = (tiny_model(precision=precision) for precision in ("int8", "fp32"))
    options = ("--texts", "200", "--baseline", fp32)
    done = run_benchmark("int8_worst_texts.py", int8, *options, "--json", tmp_path / "worst.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "worst.json").read_text())
    assert found["texts"] + found["unknown"] == 200
    assert found["worst"][0]["cosine"] == min(each["least_cosine"] for each in found["kinds"])
    last = found["worst"][9]
    assert f"| {last['kind']} | {last['tokens']} | {last['cosine']:.4f} |" in done.stdout
    assert len({each["text"] for each in found["worst"]}) == 10


def test_a_search_that_is_stopped_shows_what_it_found(tiny_model: Callable[..., Path]) -> None:
    int8, fp32 = (tiny_model(precision=precision) for precision in ("int8", "fp32"))
    command = [sys.executable, str(RUN / "int8_worst_texts.py"), str(int8), "--baseline", str(fp32)]
    pipes = subprocess.PIPE
    with killed_on_failure(subprocess.Popen(command, stdout=pipes, stderr=pipes, text=True)) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("500 of 100,000 texts")
        process.send_signal(signal.SIGINT)
        shown, _ = process.communicate()
    assert process.returncode == 130
    assert "texts compared" in shown
    assert shown.count("| one word |") > 0


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
