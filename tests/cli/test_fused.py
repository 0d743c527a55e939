"""``evaluate`` of fused rankings, and of token vectors as a second stage, on a BEIR folder and on a collection."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embed_plugin import Bm25Encoder, Encoder, LateInteractionEncoder, SparseEncoder
from embed_plugin.evaluate import FusedModels, evaluate_fused, read_retrieval_dataset
from support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXTS = ["the cat sat on the mat", "a dog ran fast", "water and fire", "open the file", "a red cat", "a blue file"]


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    corpus = [json.dumps({"_id": f"d{n}", "title": "", "text": text}) for n, text in enumerate(TEXTS)]
    (folder / "corpus.jsonl").write_text("\n".join(corpus))
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "the cat"}\n{"_id": "q2", "text": "open file"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td0\t1\nq2\td3\t1\n")
    return folder


def evaluated(*arguments: str | Path) -> dict[str, Any]:
    done = run("evaluate", *arguments, "--quiet", "--json", "-")
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def test_fused_rankings_are_measured_beside_the_model_alone(
    beir: Path, tiny_model: Callable[..., Path], sparse_model: Path, late_model: Path
) -> None:
    others = ("--hybrid", "--sparse", sparse_model, "--late", late_model, "--weights", "1,0.5,2")
    facts = evaluated(tiny_model(), "--dataset", beir, *others, "--baseline", tiny_model())
    models = FusedModels(
        Encoder.load(tiny_model()),
        sparse=SparseEncoder.load(sparse_model),
        late=LateInteractionEncoder.load(late_model),
        weights=[1, 0.5, 2],
    )
    expected = evaluate_fused(models, read_retrieval_dataset(beir))
    assert facts["model"]["metrics"] == pytest.approx(dict(expected.means))
    assert facts["baseline"]["metrics"] == evaluated(tiny_model(), "--dataset", beir)["model"]["metrics"]
    assert facts["fused"] == {"dense": 1.0, "sparse": 0.5, "late": 2.0}
    both = evaluated(tiny_model(), "--dataset", beir, *others, "--baseline", tiny_model(), "--baseline-hybrid")
    assert both["baseline"]["metrics"] == both["model"]["metrics"] == facts["model"]["metrics"]


def test_words_are_fused_where_nothing_else_is_named(beir: Path, tiny_model: Callable[..., Path]) -> None:
    facts = evaluated(tiny_model(), "--dataset", beir, "--hybrid")
    models = FusedModels(Encoder.load(tiny_model()), bm25=Bm25Encoder())
    assert facts["model"]["metrics"] == pytest.approx(dict(evaluate_fused(models, read_retrieval_dataset(beir)).means))
    assert facts["fused"].keys() == {"dense", "bm25"}
    shown = run("evaluate", tiny_model(), "--dataset", beir, "--hybrid", "--quiet").stdout
    assert "fused: dense 1, bm25 " in shown
    failed = run("evaluate", tiny_model(), "--dataset", beir, "--baseline", tiny_model(), "--baseline-hybrid",
                 "--max-drop", "0.1", "--quiet")  # fmt: skip
    assert failed.returncode in {0, 1}
    assert failed.returncode == 0 or "ndcg@10 is " in failed.stderr


def test_token_vectors_rank_what_a_first_stage_found(
    beir: Path, tiny_model: Callable[..., Path], late_model: Path, tiny_reranker: Callable[..., Path]
) -> None:
    every = evaluated(late_model, "--dataset", beir)["model"]["metrics"]
    second = evaluated(late_model, "--dataset", beir, "--first-stage", tiny_model())
    assert (second["model"]["metrics"], second["first_stage"]["name"]) == (every, tiny_model().name)
    assert second["pairs"] == 12
    fused = ("--first-stage", tiny_model(), "--hybrid", "--late", late_model, "--candidates", "3")
    reranked = evaluated(tiny_reranker("int8"), "--dataset", beir, *fused, "--baseline", late_model)
    assert reranked["first_stage"]["name"] == f"{tiny_model().name} fused with late"
    assert reranked["first_stage"]["fused"] == {"dense": 1.0, "late": 1.0}
    assert (reranked["pairs"], reranked["baseline"]["folder"]) == (6, str(late_model))


@pytest.fixture
def stored(
    tmp_path: Path, tiny_model: Callable[..., Path], sparse_model: Path, late_model: Path
) -> tuple[str | Path, ...]:
    words = "cat dog fox house tree file letter water stone cloud road river".split()  # noqa: SIM905 - shorter so
    drawn = np.random.default_rng(3).choice(words, (30, 40)).tolist()
    texts = [" ".join(f"{word} {number}{place}" for place, word in enumerate(row)) for number, row in enumerate(drawn)]
    lines = tmp_path / "texts.jsonl"
    lines.write_text("".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(texts)))
    place = ("--to", tmp_path / "qdrant")
    made = ("--model", tiny_model(), "--collection", "notes", "--sparse", sparse_model, "--late", late_model)
    assert run("ingest", lines, *place, *made, "--id-field", "id", "--quiet").returncode == 0
    return place


def test_a_collection_is_asked_with_all_its_vectors(
    stored: tuple[str | Path, ...], tiny_model: Callable[..., Path], sparse_model: Path, late_model: Path
) -> None:
    asked = (tiny_model(), *stored, "--from", "notes", "--questions", "12")
    others = ("--sparse", sparse_model, "--late", late_model)
    facts = evaluated(*asked, "--hybrid", *others, "--weights", "0,1,0", "--baseline-from", "notes")
    assert (facts["model"]["hybrid"], facts["model"]["weights"], facts["baseline"]["hybrid"]) == (
        True,
        [0, 1, 0],
        False,
    )
    dense = evaluated(*asked)["model"]["metrics"]
    assert facts["baseline"]["metrics"] == dense
    turned = evaluated(*asked, "--baseline-hybrid", *others, "--weights", "0,1,0")
    assert turned["baseline"]["metrics"] == facts["model"]["metrics"]
    lacks = run("evaluate", *asked, "--hybrid", "--quiet")
    assert (lacks.returncode, "no model of them was given" in lacks.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--dataset", "beir", "--late", "x"), "--late: only with --hybrid or --baseline-hybrid"),
        (("--dataset", "beir", "--hybrid", "--weights", "a,b"), "expected numbers with commas between"),
        (("--dataset", "beir", "--baseline-hybrid"), "give the model to compare with, --baseline"),
        (("--dataset", "beir", "--first-stage", "x"), "only for a reranker or a late-interaction model"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    beir: Path, tiny_model: Callable[..., Path], arguments: tuple[str, ...], says: str
) -> None:
    placed = [str(beir) if each == "beir" else each for each in arguments]
    refused = run("evaluate", tiny_model(), *placed, "--quiet")
    assert (refused.returncode, says in " ".join(refused.stderr.replace("│", " ").split())) == (2, True)


def test_what_cannot_be_fused_is_named(beir: Path, late_model: Path, tiny_reranker: Callable[..., Path]) -> None:
    refused = run("evaluate", late_model, "--dataset", beir, "--hybrid", "--quiet")
    assert (refused.returncode, "is no embedding model, and --hybrid fuses" in refused.stderr) == (1, True)
    unnamed = run("evaluate", tiny_reranker("int8"), "--dataset", beir, "--hybrid", "--quiet")
    assert (unnamed.returncode, "name it with --first-stage" in " ".join(unnamed.stderr.split())) == (2, True)
