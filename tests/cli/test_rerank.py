"""The commands on a reranker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from embed_plugin import Reranker
from support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable

LINES = "the cat sat\n\na dog ran\nthe red fox\n"


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    texts = ["the cat sat on the mat", "a dog ran fast", "water and fire", "open the file", "a red cat", "a blue file"]
    corpus = [json.dumps({"_id": f"d{n}", "title": "", "text": text}) for n, text in enumerate(texts)]
    (folder / "corpus.jsonl").write_text("\n".join(corpus))
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "the cat"}\n{"_id": "q2", "text": "open file"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td0\t1\nq2\td3\t1\n")
    return folder


def test_lines_are_ranked(tiny_reranker: Callable[..., Path]) -> None:
    texts = ["the cat sat", "a dog ran", "the red fox"]
    expected = Reranker.load(tiny_reranker("int8")).rank("the cat", texts, top_k=2)
    done = run("rerank", tiny_reranker("int8"), "--query", "the cat", "--top-k", "2", "--json", "-", stdin=LINES)
    found = json.loads(done.stdout)
    assert [(row["text"], row["score"]) for row in found] == [(texts[index], score) for index, score in expected]
    assert all(LINES.split("\n")[row["index"]] == row["text"] for row in found)
    shown = run("rerank", tiny_reranker("int8"), "--query", "the cat", stdin=LINES).stdout.splitlines()
    assert [line.split()[0] for line in shown] == ["1", "2", "3"]
    assert "line 4  the red fox" in "\n".join(shown)


def test_no_lines_and_no_query_are_said(tiny_reranker: Callable[..., Path]) -> None:
    assert "Nothing to rank" in run("rerank", tiny_reranker("int8"), "--query", "a", stdin="\n \n").stdout
    done = run("rerank", tiny_reranker("int8"), "--query", " ", stdin="a\n")
    assert (done.returncode, "the query is empty" in done.stderr) == (1, True)
    assert run("rerank", tiny_reranker("int8"), stdin="a\n").returncode == 2


def test_an_embedding_model_does_not_rerank(tiny_model: Callable[..., Path]) -> None:
    done = run("rerank", tiny_model(), "--query", "a", stdin="a\n")
    assert (done.returncode, "expected a reranker" in done.stderr) == (1, True)


def test_info_names_the_kind(tiny_reranker: Callable[..., Path]) -> None:
    shown = run("info", tiny_reranker("int8")).stdout
    assert "reranker" in shown
    assert "rank correlation" in shown
    assert "query prefix" not in shown


def test_a_search_is_ranked_anew(
    tmp_path: Path, tiny_model: Callable[..., Path], tiny_reranker: Callable[..., Path]
) -> None:
    records = [json.dumps({"text": text}) for text in LINES.split("\n") if text]
    (tmp_path / "notes.jsonl").write_text("\n".join(records))
    place = ("--model", tiny_model(), "--to", tmp_path / "qdrant", "--collection", "notes")
    assert run("ingest", tmp_path / "notes.jsonl", *place).returncode == 0
    rerank = ("--rerank", tiny_reranker("int8"), "--limit", "2", "--json", "-")
    found = json.loads(run("search", "the cat", *place, *rerank).stdout)
    expected = Reranker.load(tiny_reranker("int8")).rank("the cat", ["the cat sat", "a dog ran", "the red fox"])
    assert [hit["score"] for hit in found] == [score for _, score in expected[:2]]
    one = json.loads(run("search", "the cat", *place, *rerank, "--candidates", "1").stdout)
    assert len(one) == 2  # at least as many as are asked for
    wrong = run("search", "the cat", *place, "--candidates", "9")
    assert (wrong.returncode, "--candidates" in wrong.stderr) == (2, True)


def test_a_reranker_is_evaluated_beside_a_baseline(
    tiny_reranker: Callable[..., Path], tiny_model: Callable[..., Path], beir: Path, tmp_path: Path
) -> None:
    asked = (tiny_reranker("int8"), "--dataset", beir, "--baseline", tiny_reranker("fp32"), "--quiet")
    done = run("evaluate", *asked, "--json", tmp_path / "result.json")
    assert done.returncode == 0, done.stderr
    assert "ranked: the first 100 of BM25, which alone has nDCG@10" in done.stdout
    facts = json.loads((tmp_path / "result.json").read_text())
    assert facts["differences"].keys() == {"ndcg@10", "recall@100", "mrr@10"}
    assert facts["first_stage"]["name"] == "BM25"
    other = run("evaluate", *asked[:3], "--first-stage", tiny_model(), "--candidates", "3", "--json", "-", "--quiet")
    assert (json.loads(other.stdout)["pairs"], json.loads(other.stdout)["baseline"]) == (6, None)


def test_options_of_rerankers_are_refused_for_others(tiny_model: Callable[..., Path], beir: Path) -> None:
    done = run("evaluate", tiny_model(), "--dataset", beir, "--candidates", "3")
    assert (done.returncode, "only for a reranker" in " ".join(done.stderr.split())) == (2, True)


def test_a_gate_compares_the_ranking(beir: Path, tmp_path: Path) -> None:
    checkpoint = Path(__file__).parents[1] / "export/references/rerankers/bert"
    asked = ("--gate", beir, "--max-drop", "100", "--min-cosine", "0.5", "--quiet")
    done = run("export", checkpoint, "--out", tmp_path / "model", *asked)
    assert done.returncode == 0, done.stderr
    gate = json.loads(run("info", tmp_path / "model", "--json", "-").stdout)["provenance"]["gate"]
    assert gate["first_stage"]["name"] == "bm25"
    assert gate["metrics"]["ndcg@10"].keys() >= {"fp32", "quantised", "drop_percent"}
