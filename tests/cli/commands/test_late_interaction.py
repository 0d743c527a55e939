"""A late-interaction folder on the command line: exported with a gate, shown, encoded with and evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from embed_plugin import LateInteractionEncoder, read_model_folder
from support.command_line import run

REFERENCES = Path(__file__).parents[2] / "export" / "references"
TEXTS = "the quick, brown fox!\njumps\n"


@pytest.fixture(scope="module")
def beir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve documents and two queries."""
    folder = tmp_path_factory.mktemp("late") / "beir"
    (folder / "qrels").mkdir(parents=True)
    corpus = [json.dumps({"_id": f"d{n}", "title": "", "text": f"number {n} of the foxes"}) for n in range(12)]
    (folder / "corpus.jsonl").write_text("\n".join(corpus))
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "number 3"}\n{"_id": "q2", "text": "foxes 7"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td3\t1\nq2\td7\t1\n")
    return folder


@pytest.fixture(scope="module")
def model(beir: Path) -> Path:
    """An INT8 folder that passed a gate."""
    folder = beir.parent / "model"
    gate = ["--gate", str(beir), "--max-drop", "100", "--min-cosine", "0.9"]
    done = run("export", REFERENCES / "colbert", "--out", folder, *gate, "--quiet")
    assert done.returncode == 0, done.stderr
    return folder


def test_the_gate_and_the_comparison_are_in_the_manifest(model: Path) -> None:
    provenance = read_model_folder(model).provenance
    gate, comparison = provenance["gate"], provenance["comparison"]
    assert isinstance(gate, dict)
    assert isinstance(comparison, dict)
    assert (gate["documents"], gate["queries"]) == (12, 2)
    assert {"queries", "gate queries", "gate documents"} <= {each["kind"] for each in comparison["kinds"]}
    assert 0.9 < comparison["mean_cosine"] < 1


def test_info_says_what_becomes_of_texts(model: Path) -> None:
    shown = " ".join(run("info", model).stdout.split())
    assert "kinds late-interaction" in shown
    assert "markers token 5 of queries, token 6 of documents" in shown
    assert "query expansion filled up with token 4, seen by no token" in shown


def test_encode_writes_a_list_of_vectors_a_line_or_two_arrays(model: Path, tmp_path: Path) -> None:
    expected = LateInteractionEncoder.load(model).encode_documents(TEXTS.splitlines())
    lines = run("encode", model, stdin=TEXTS).stdout.splitlines()
    for line, vectors in zip(lines, expected, strict=True):
        np.testing.assert_array_equal(np.array(json.loads(line), np.float32), vectors)
    done = run("encode", model, "--out", tmp_path / "vectors.npz", stdin=TEXTS)
    assert "2 texts" in done.stderr
    with np.load(tmp_path / "vectors.npz") as stored:
        np.testing.assert_array_equal(stored["lengths"], [len(each) for each in expected])
        np.testing.assert_array_equal(stored["vectors"], np.concatenate(expected))
    assert [path.name for path in tmp_path.iterdir()] == ["vectors.npz"]


def test_encode_refuses_one_array_for_texts_of_several_vectors(model: Path, tmp_path: Path) -> None:
    done = run("encode", model, "--out", tmp_path / "vectors.npy", stdin=TEXTS)
    assert (done.returncode, "must be a .npz file" in " ".join(done.stderr.replace("│", " ").split())) == (2, True)


def test_evaluate_compares_two_models_and_holds_a_floor(model: Path, beir: Path, tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    done = run(
        "evaluate", model, "--dataset", beir, "--baseline", model, "--max-drop", "0", "--json", target, "--quiet"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(target.read_text())
    assert found["model"]["metrics"] == found["baseline"]["metrics"]
    assert set(found["model"]["metrics"]) == {"ndcg@10", "recall@100", "mrr@10"}
    assert found["documents"] == 12


def test_evaluate_refuses_pairs_of_sentences(model: Path, tmp_path: Path) -> None:
    (tmp_path / "sts.csv").write_text("score,sentence1,sentence2\n5,a cat,a cat\n1,a dog,water\n")
    done = run("evaluate", model, "--dataset", tmp_path / "sts.csv", "--quiet")
    assert (done.returncode, "only embedding models are measured by similarity" in done.stderr) == (1, True)
