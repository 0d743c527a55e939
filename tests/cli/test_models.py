"""The command that shows the known models, its data, and the page that has the same table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from embed_plugin.cli.reports.known_models import known_models_table
from embed_plugin.export.architectures.registry import ARCHITECTURES
from embed_plugin.export.architectures.static import StaticExporter
from embed_plugin.model.known_models import known_models, recommended_multilingual
from support.command_line import run

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "models.md"


def test_the_table_has_a_line_a_model() -> None:
    lines = run("models").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["model", *(model.id for model in known_models())]


def test_words_choose_rows_and_json_has_every_fact(tmp_path: Path) -> None:
    assert run("models", "GERMAN", "jina", "--json", tmp_path / "models.json").returncode == 0
    (row,) = json.loads((tmp_path / "models.json").read_text())
    facts = ("id", "parameters", "int8_megabytes", "dimension", "tokens", "languages", "licence", "verified")
    assert [row[name] for name in facts] == [
        "jinaai/jina-embeddings-v2-base-de", 161, 161, 768, 8192, "German, English", "Apache-2.0", "random weights"
    ]  # fmt: skip


def test_words_that_no_row_has_are_refused() -> None:
    done = run("models", "multilingual", "klingon")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no model has multilingual and klingon in its row" in done.stderr


def test_a_kind_chooses_rows_and_a_folder_of_several_kinds_is_in_each() -> None:
    shown = run("models", "--kind", "sparse").stdout.splitlines()[1:]
    assert [line.split()[0] for line in shown] == [model.id for model in known_models() if "sparse" in model.kinds]
    assert [line.split()[1:3] for line in shown if "bge-m3" in line] == [["embedding", "+2"]]
    refused = run("models", "bge-m3", "--kind", "reranker")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no model of the kind reranker has bge-m3 in its row" in refused.stderr


def test_the_recommended_multilingual_model_stands_first() -> None:
    assert recommended_multilingual().id == "intfloat/multilingual-e5-small"


def test_names_are_listed_once() -> None:
    ids = [model.id.lower() for model in known_models()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("family", sorted({model.family for model in known_models()}))
def test_every_family_is_written_natively(family: str) -> None:
    assert family in {StaticExporter.architecture, *(name for each in ARCHITECTURES for name in each.model_types)}


def test_the_page_has_the_table() -> None:
    assert known_models_table(known_models()) in PAGE.read_text(encoding="utf-8")
