"""``embed-plugin evaluate --from``: questions from a collection's own records."""

from __future__ import annotations

import ast
import hashlib
import json
import signal
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cli.test_ingest_and_search import command
from conftest import HANG_SECONDS
from support.command_line import run
from support.processes import killed_on_failure

if TYPE_CHECKING:
    from collections.abc import Callable

MODULES = ("argparse", "shutil", "subprocess", "tarfile", "threading")


def docstrings() -> list[dict[str, str]]:
    """Docstrings of the standard library as records, each with its name as the title."""
    found = {}
    for module in MODULES:
        file = Path(sysconfig.get_paths()["stdlib"]) / f"{module}.py"
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (text := ast.get_docstring(node)):
                found[f"{module}.{node.name}"] = text
    return [{"id": name, "title": name.replace("_", " "), "text": text} for name, text in found.items()]


@pytest.fixture(scope="module")
def target(tiny_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The docstrings in whole chunks with words, in small chunks, and by another model."""
    folder = tmp_path_factory.mktemp("own")
    lines = folder / "docs.jsonl"
    lines.write_text("".join(json.dumps(record) + "\n" for record in docstrings()), encoding="utf-8")
    place = ("--id-field", "id", "--quiet", "--to", str(folder / "qdrant"))
    made = [
        run("ingest", lines, *place, "--model", tiny_model(), "--collection", "docs", "--sparse", "bm25"),
        run("ingest", lines, *place, "--model", tiny_model(), "--collection", "small", "--chunk-tokens", "40"),
        run("ingest", lines, *place, "--model", tiny_model(pooling="cls"), "--collection", "cls"),
        run("ingest", lines, *place, "--model", tiny_model(), "--collection", "elsewhere", "--source", "else"),
        run("ingest", "-", *place[2:], "--model", tiny_model(), "--collection", "few", stdin='{"text": "a"}'),
    ]
    assert [each.returncode for each in made] == [0] * len(made), made
    return str(folder / "qdrant")


@pytest.fixture(scope="module")
def evaluated(tiny_model: Callable[..., Path], target: str) -> Callable[..., dict[str, Any]]:
    """Evaluate with options and return the JSON."""

    def evaluate(*options: str | Path) -> dict[str, Any]:
        done = run("evaluate", tiny_model(), "--to", target, "--questions", "40", "--quiet", *options, "--json", "-")
        assert (done.returncode, done.stderr) == (0, "")
        facts: dict[str, Any] = json.loads(done.stdout)
        return facts

    return evaluate


def test_one_way_to_search_has_metrics_with_intervals(evaluated: Callable[..., dict[str, Any]]) -> None:
    facts = evaluated("--from", "docs")
    model = facts["model"]
    assert (facts["questions"], facts["baseline"], facts["differences"]) == (40, None, {})
    assert (model["collection"], model["hybrid"], len(facts["examples"])) == ("docs", False, 3)
    for metric in ("mrr@10", "success@1", "success@10"):
        interval = model["interval"][metric]
        assert 0 <= interval["low"] <= model["metrics"][metric] <= interval["high"] <= 1
    assert [kind["kind"] for kind in model["kinds"]] == ["terms", "fragment", "title"]
    assert sum(kind["questions"] for kind in model["kinds"]) == 40
    assert evaluated("--from", "docs") == facts
    assert evaluated("--from", "docs", "--seed", "8")["examples"] != facts["examples"]


def test_words_find_more_than_a_model_with_random_weights(evaluated: Callable[..., dict[str, Any]]) -> None:
    facts = evaluated("--from", "docs", "--hybrid", "--baseline-from", "docs")
    difference = facts["differences"]["mrr@10"]
    assert 0 < difference["interval"]["low"] < difference["difference"] < difference["interval"]["high"]
    assert difference["interval"] == {"low": difference["low"], "high": difference["high"]}
    assert (facts["model"]["hybrid"], facts["baseline"]["hybrid"]) == (True, False)
    turned = evaluated("--from", "docs", "--baseline-hybrid")
    assert turned["differences"]["mrr@10"]["difference"] == pytest.approx(-difference["difference"])
    assert turned["examples"] == facts["examples"]


def test_chunk_sizes_and_models_are_compared_on_the_same_questions(
    evaluated: Callable[..., dict[str, Any]], tiny_model: Callable[..., Path]
) -> None:
    chunks = evaluated("--from", "docs", "--baseline-from", "small")
    models = evaluated("--from", "docs", "--baseline", tiny_model(pooling="cls"), "--baseline-from", "cls")
    assert chunks["examples"] == models["examples"]
    assert chunks["model"] == models["model"]
    assert chunks["baseline"]["fingerprint"] == chunks["model"]["fingerprint"] != models["baseline"]["fingerprint"]
    assert models["baseline"]["folder"] == str(tiny_model(pooling="cls"))
    assert chunks["differences"].keys() == models["differences"].keys() == {"mrr@10", "success@1", "success@10"}


def test_the_table_says_what_was_compared(tiny_model: Callable[..., Path], target: str) -> None:
    options = ("--to", target, "--from", "docs", "--questions", "40")
    alone = run("evaluate", tiny_model(), *options)
    assert (alone.returncode, alone.stderr[:10]) == (0, "evaluate: ")
    assert alone.stdout.startswith("model: docs, dense search, model\n\n")
    rows = [line.split("  ")[0] for line in alone.stdout.splitlines()]
    assert rows[3:9] == ["MRR@10", "success@1", "success@10", "MRR@10, terms", "MRR@10, fragment", "MRR@10, title"]
    compared = run("evaluate", tiny_model(), *options, "--hybrid", "--baseline-from", "docs").stdout.splitlines()
    assert compared[:2] == ["baseline: docs, dense search, model", "model: docs, hybrid search, model"]
    assert compared[3].split() == ["questions", "baseline", "model", "difference", "95", "%", "interval"]
    assert compared[11].startswith("40 questions, each of a record of ")


def test_saved_questions_are_a_dataset(tiny_model: Callable[..., Path], target: str, tmp_path: Path) -> None:
    options = ("--to", target, "--from", "small", "--questions", "20", "--quiet", "--save-questions", tmp_path / "q")
    assert run("evaluate", tiny_model(), *options).returncode == 0
    again = run("evaluate", tiny_model(), "--dataset", tmp_path / "q", "--quiet", "--json", "-")
    assert json.loads(again.stdout)["queries"] == 20
    refused = run("evaluate", tiny_model(), *options)
    assert (refused.returncode, "is there already" in refused.stderr) == (1, True)


def test_nothing_is_written_to_the_collection(evaluated: Callable[..., dict[str, Any]], target: str) -> None:
    def content() -> dict[str, str]:
        files = [path for path in Path(target).rglob("*") if path.is_file()]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = content()
    evaluated("--from", "docs", "--hybrid", "--baseline-from", "small")
    assert content() == before


def test_a_signal_stops_it_and_says_how_far_it_was(tiny_model: Callable[..., Path], target: str) -> None:
    arguments = command("evaluate", tiny_model(), "--to", target, "--from", "docs", "--hybrid")
    with killed_on_failure(subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)) as process:
        assert process.stderr
        assert process.stderr.readline().startswith("evaluate: records are drawn, ")
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 143
    assert stderr.splitlines()[-2] == "Stopping. Once more: at once."
    assert stderr.splitlines()[-1].startswith("Stopped: ")


def test_a_drop_beyond_the_limit_fails(tiny_model: Callable[..., Path], target: str) -> None:
    options = ("--to", target, "--from", "docs", "--baseline-hybrid", "--questions", "40", "--quiet")
    assert run("evaluate", tiny_model(), *options, "--max-drop", "100").returncode == 0
    failed = run("evaluate", tiny_model(), *options, "--max-drop", "1")
    assert (failed.returncode, "mrr@10 is " in failed.stderr) == (1, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from", "docz"], "has no collection 'docz' (found: cls, docs, elsewhere, few, small)"),
        (["--from", "docs", "--baseline-from", "docz"], "has no collection 'docz'"),
        (["--from", "cls"], "has vectors of the space"),
        (["--from", "docs", "--baseline-from", "cls"], "has vectors of the space"),
        (["--from", "small", "--hybrid"], "collection 'small' in"),
        (["--from", "few"], "0 of 1 records are fit for a question, expected 10 or more"),
        (["--from", "docs", "--baseline-from", "elsewhere"], "records that the other collection lacks"),
    ],
)
def test_what_cannot_be_asked_is_named(
    tiny_model: Callable[..., Path], target: str, options: list[str], message: str
) -> None:
    done = run("evaluate", tiny_model(), "--to", target, "--quiet", *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--dataset", "beir", "--from", "docs", "--to", "qdrant"],
        ["--dataset", "beir", "--baseline-hybrid"],
        ["--dataset", "beir", "--questions", "50"],
        ["--from", "docs"],
        ["--from", "docs", "--to", "qdrant", "--baseline", "model"],
        ["--from", "docs", "--to", "qdrant", "--baseline-from", "docs"],
        ["--from", "docs", "--to", "qdrant", "--hybrid", "--baseline-hybrid"],
        ["--from", "docs", "--to", "qdrant", "--max-drop", "1"],
        ["--from", "docs", "--to", "qdrant", "--questions", "9"],
        ["--from", "docs", "--to", "qdrant", "--split", "test"],
        ["--from", "docs", "--to", "qdrant", "--subset", "de"],
        ["--from", "docs", "--to", "qdrant", "--json", "nowhere/result.json"],
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(options: list[str]) -> None:
    done = run("evaluate", "no-model", *options)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_split_is_of_judged_data_alone() -> None:
    done = run("evaluate", "no-model", "--from", "docs", "--to", "qdrant", "--split", "test")
    assert "--split and --subset choose files of --dataset" in " ".join(done.stderr.replace("│", " ").split())


def test_a_collection_of_another_program_is_asked(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    from qdrant_client import QdrantClient, models  # noqa: PLC0415

    from embed_plugin import Encoder  # noqa: PLC0415

    encoder, client = Encoder.load(tiny_model()), QdrantClient(path=str(tmp_path / "qdrant"))
    size = models.VectorParams(size=encoder.dimension, distance=models.Distance.COSINE)
    client.create_collection("theirs", vectors_config=size)
    texts = [record["text"][:300] for record in docstrings()[:60]]
    payloads = [{"page_content": text, "metadata": {"title": f"About {text[:20]}"}} for text in texts]
    client.upload_collection("theirs", encoder.encode_documents(texts).tolist(), payloads, ids=range(len(texts)))
    client.close()
    place = ("--to", str(tmp_path / "qdrant"), "--quiet")
    refused = run("evaluate", tiny_model(), *place, "--from", "theirs")
    assert (refused.returncode, "embed-plugin adopt" in refused.stderr) == (1, True)
    assert run("adopt", "--model", tiny_model(), *place, "--collection", "theirs").returncode == 0
    facts = json.loads(run("evaluate", tiny_model(), *place, "--from", "theirs", "--json", "-").stdout)
    assert facts["questions"] > 30
    assert facts["records"] == 60
