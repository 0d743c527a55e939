"""``embed-plugin evaluate`` on tiny models and tiny data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
import typer
from pyarrow import parquet
from typer.testing import CliRunner

from embed_plugin import EmbedPluginError
from embed_plugin.cli.commands.evaluate import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(evaluate)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    texts = ["the cat sat on the mat", "a dog ran fast", "water and fire", "open the file", "a red house"]
    corpus = [json.dumps({"_id": f"d{n}", "title": "", "text": text}) for n, text in enumerate(texts)]
    (folder / "corpus.jsonl").write_text("\n".join(corpus))
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "the cat"}\n{"_id": "q2", "text": "open file"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td0\t1\nq2\td3\t1\nq2\tabsent\t1\n")
    return folder


@pytest.fixture
def sts(tmp_path: Path) -> Path:
    rows = ["score,sentence1,sentence2", "5,the cat,the cat", "3,a red dog,a blue dog", "0,water,how to read a file"]
    (tmp_path / "sts.csv").write_text("\n".join(rows))
    return tmp_path / "sts.csv"


def test_one_model_on_a_beir_folder(tiny_model: Callable[..., Path], beir: Path) -> None:
    done = run(tiny_model(), "--dataset", beir)
    assert done.exit_code == 0, done.output
    names = [line.split()[0] for line in done.stdout.splitlines()[:3]]
    assert names == ["nDCG@10", "recall@100", "MRR@10"]
    assert "2 queries, 5 documents, 1 missing documents" in done.stdout


def test_two_models_side_by_side_and_as_json(tiny_model: Callable[..., Path], beir: Path, tmp_path: Path) -> None:
    fp32 = tiny_model(precision="fp32")
    done = run(tiny_model(), "--dataset", beir, "--baseline", fp32, "--json", tmp_path / "result.json")
    assert done.exit_code == 0, done.output
    assert done.stdout.split()[:3] == ["baseline", "model", "difference"]
    facts = json.loads((tmp_path / "result.json").read_text())
    assert facts["baseline"]["folder"] == str(fp32)
    assert facts["model"]["metrics"].keys() == facts["differences"].keys() == {"ndcg@10", "recall@100", "mrr@10"}
    change = facts["differences"]["ndcg@10"]
    assert change["interval"] == {"low": change["low"], "high": change["high"]}
    assert facts["agreement_at_10"] == {"value": 1, "interval": {"low": 1, "high": 1}}  # five documents: all are found
    assert facts["first_agreement"].keys() == {"value", "interval"}
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["agreement@10", "100.00", "100.00", "to", "100.00"] in rows
    assert ["same", "first"] in [row[:2] for row in rows]


def test_one_model_has_nothing_to_agree_with(tiny_model: Callable[..., Path], beir: Path) -> None:
    facts = json.loads(run(tiny_model(), "--dataset", beir, "--json", "-").stdout)
    assert (facts["baseline"], facts["differences"]) == (None, {})
    assert not {"agreement_at_10", "first_agreement"} & facts.keys()


def test_a_similarity_file_and_json_alone_on_stdout(tiny_model: Callable[..., Path], sts: Path) -> None:
    done = run(tiny_model(), "--dataset", sts, "--baseline", tiny_model(), "--max-drop", "0", "--json", "-")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["pairs"] == 3
    interval = {"low": 0, "high": 0}
    assert facts["differences"]["spearman"] == {"difference": 0, "drop_percent": 0, "interval": interval, **interval}
    assert not {"agreement_at_10", "first_agreement"} & facts.keys()


def test_a_split_of_mtebs_parquet(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    texts = ["the cat sat on the mat", "a dog ran fast"]
    tables = {
        "en-corpus/test": {"id": ["d0", "d1"], "text": texts},
        "en-queries/test": {"id": ["q0", "q1"], "text": texts},
        "en-qrels/dev": {"query-id": ["q0"], "corpus-id": ["d0"], "score": [1]},
        "en-qrels/train": {"query-id": ["q1"], "corpus-id": ["d1"], "score": [1]},
    }
    for name, columns in tables.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        parquet.write_table(pa.table(columns), tmp_path / f"{name}-00000-of-00001.parquet")
    done = run(tiny_model(), "--dataset", tmp_path, "--split", "dev", "--subset", "en", "--json", tmp_path / "a.json")
    assert done.stdout.splitlines()[-1] == "1 queries, 2 documents, split dev"
    assert json.loads((tmp_path / "a.json").read_text())["split"] == "dev"
    undecided = run(tiny_model(), "--dataset", tmp_path)
    assert undecided.exit_code == 1
    assert "several splits, dev, train: choose one with --split" in str(undecided.exception)


def test_a_folder_of_sentence_pairs(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    pairs = {"sentence1": ["the cat", "water"], "sentence2": ["the cat", "a red file"], "score": [5.0, 0.0]}
    (tmp_path / "data").mkdir()
    parquet.write_table(pa.table(pairs), tmp_path / "data" / "test-00000-of-00001.parquet")
    done = run(tiny_model(), "--dataset", tmp_path)
    assert done.stdout.splitlines() == ["Spearman          100.00", "2 pairs"]


def test_too_large_a_drop_is_an_error_after_the_table(tiny_model: Callable[..., Path], sts: Path) -> None:
    done = run(tiny_model(), "--dataset", sts, "--baseline", tiny_model(), "--max-drop", "-1")
    assert done.exit_code == 1
    assert isinstance(done.exception, EmbedPluginError)
    assert "at most -1 % is allowed" in str(done.exception)
    assert "Spearman" in done.stdout


@pytest.mark.parametrize("options", [("--max-drop", "1"), ("--json", "nowhere/result.json"), ("--split", "test")])
def test_wrong_usage_is_refused_before_the_work(
    tiny_model: Callable[..., Path], sts: Path, options: tuple[str, str]
) -> None:
    done = run(tiny_model(), "--dataset", sts, *options)
    assert (done.exit_code, done.stdout) == (2, "")


def test_a_missing_dataset_is_named(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    done = run(tiny_model(), "--dataset", tmp_path / "nowhere")
    assert "nowhere cannot be read" in str(done.exception)


def test_sparse_encoders_side_by_side_on_a_beir_folder(sparse_model: Path, beir: Path, tmp_path: Path) -> None:
    arguments = ("--dataset", beir, "--baseline", sparse_model, "--max-drop", "0", "--json", tmp_path / "result.json")
    done = run(sparse_model, *arguments)
    assert done.exit_code == 0, done.output
    facts = json.loads((tmp_path / "result.json").read_text())
    assert facts["model"]["fingerprint"] == facts["baseline"]["fingerprint"]
    assert facts["differences"]["ndcg@10"]["difference"] == 0
    assert facts["first_agreement"]["value"] == 1


def test_a_sparse_encoder_has_no_similarity_of_sentences(sparse_model: Path, sts: Path) -> None:
    done = run(sparse_model, "--dataset", sts)
    assert done.exit_code == 1
    assert "has pairs of sentences, and only embedding models are measured by similarity" in str(done.exception)
