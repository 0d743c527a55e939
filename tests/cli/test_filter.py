"""``search`` asks for less, and shows all of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = "id,text,year,lang\na,the cat sat,2019,de\nb,the dog ran,2021,en\nc,a red fox,2022,the en\n"


@pytest.fixture
def place(tmp_path: Path, tiny_model: Callable[..., Path]) -> tuple[str, ...]:
    """Options that name the model and the collection."""
    return ("--model", str(tiny_model()), "--to", str(tmp_path / "qdrant"), "--collection", "rows")


@pytest.fixture
def rows(tmp_path: Path, place: tuple[str, ...]) -> Path:
    file = tmp_path / "rows.csv"
    file.write_text(ROWS)
    assert run("ingest", file, *place, "--id-field", "id").returncode == 0
    return file


def found(*arguments: str) -> list[str]:
    done = run("search", "the dog", *arguments, "--json", "-")
    assert done.returncode == 0, done.stderr
    hits: list[dict[str, Any]] = json.loads(done.stdout)
    return sorted(hit["source_id"] for hit in hits)


@pytest.mark.usefixtures("rows")
def test_only_what_fulfils_every_filter_is_shown(place: tuple[str, ...]) -> None:
    assert found(*place, "--filter", "lang:any(de,en)") == ["a", "b"]
    assert found(*place, "--filter", "lang:any(de,en)", "--filter", "year != 2019") == ["b"]
    assert found(*place, "--filter", 'lang = "the en"') == ["c"]


def test_numbers_are_compared_once_they_are_stored_as_such(rows: Path, place: tuple[str, ...]) -> None:
    nothing = run("search", "the dog", *place, "--filter", "year >= 2020")
    assert (nothing.returncode, "which are texts" in nothing.stdout) == (0, True)
    assert "ingest --infer-types" in nothing.stdout
    summary = json.loads(run("ingest", rows, *place, "--id-field", "id", "--infer-types", "--json", "-").stdout)
    assert (summary["embedded"], summary["metadata_only"], summary["unchanged"]) == (0, 3, 0)
    assert found(*place, "--filter", "year >= 2020") == ["b", "c"]
    assert found(*place, "--filter", "year = 2019") == ["a"]


@pytest.mark.parametrize("form", ["year", "year => 3", "year > new", "lang:any(", "= 5"])
def test_a_bad_form_is_wrong_usage_and_named(place: tuple[str, ...], form: str) -> None:
    done = run("search", "the dog", *place, "--filter", form)
    assert done.returncode == 2
    assert "--filter" in done.stderr
    assert "cannot be read" in done.stderr


@pytest.mark.usefixtures("rows")
def test_a_field_that_no_chunk_has_is_named_with_those_that_are_there(place: tuple[str, ...]) -> None:
    done = run("search", "the dog", *place, "--filter", "yaer = 2021", "--json", "-")
    assert json.loads(done.stdout) == []
    assert "no chunk has the field yaer (fields, of some: chunk," in done.stderr
    assert "lang" in done.stderr
    shown = run("search", "the dog", *place, "--filter", "lang = fr").stdout
    assert "the field lang has values such as" in shown


@pytest.mark.usefixtures("rows")
def test_hits_of_low_scores_are_left_out(place: tuple[str, ...]) -> None:
    hits = json.loads(run("search", "the dog", *place, "--json", "-").stdout)
    least = hits[1]["score"]
    assert len(found(*place, "--min-score", str(least))) == 2
    nothing = run("search", "the dog", *place, "--min-score", "2")
    assert f"Nothing found: the best score is {hits[0]['score']:.3f}, below --min-score" in nothing.stdout
    assert run("search", "the dog", *place, "--min-score", "nan").returncode == 2


def test_a_whole_text_is_shown_with_its_lines(tmp_path: Path, place: tuple[str, ...]) -> None:
    lines = [f"the cat sat\ton mat {number}" for number in range(9)]
    (tmp_path / "a.txt").write_text("\n".join([lines[0], "", *lines[1:]]))
    assert run("ingest", tmp_path / "a.txt", *place).returncode == 0
    assert "mat 8" not in run("search", "the cat", *place).stdout
    shown = run("search", "the cat", *place, "--full").stdout.splitlines()[1:]
    assert [line.strip() for line in shown] == [lines[0].expandtabs(), "", *(line.expandtabs() for line in lines[1:])]


@pytest.mark.usefixtures("rows")
def test_a_second_model_ranks_only_what_fulfils_the_filter(
    place: tuple[str, ...], tiny_reranker: Callable[..., Path]
) -> None:
    rerank = (*place, "--rerank", str(tiny_reranker("int8")), "--filter", "lang:any(de,en)")
    assert found(*rerank) == ["a", "b"]
    hits = json.loads(run("search", "the dog", *rerank, "--json", "-").stdout)
    assert found(*rerank, "--min-score", str(hits[0]["score"])) == [hits[0]["source_id"]]


def test_token_vectors_score_only_what_fulfils_the_filter(
    tmp_path: Path, place: tuple[str, ...], late_model: Path
) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    assert run("ingest", tmp_path / "rows.csv", *place, "--id-field", "id", "--late", late_model).returncode == 0
    assert found(*place, "--rerank", str(late_model), "--filter", "lang != de") == ["b", "c"]
    hybrid = ("--hybrid", "--late", str(late_model), "--explain", "--filter", "lang != de")
    hits = json.loads(run("search", "the dog", *place, *hybrid, "--json", "-").stdout)
    assert [hit["source_id"] for hit in hits if hit["places"].keys() == {"dense", "late"}] == [
        hit["source_id"] for hit in hits
    ]
    assert sorted(hit["source_id"] for hit in hits) == ["b", "c"]
