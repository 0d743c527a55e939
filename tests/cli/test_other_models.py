"""Collections of dense, sparse and token vectors, from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from embed_plugin import LateInteractionEncoder, SparseEncoder, maxsim
from support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXTS = {"cat": "the cat sat", "dog": "a dog ran", "fox": "the red fox"}


@pytest.fixture
def place(tmp_path: Path, tiny_model: Callable[..., Path]) -> tuple[str | Path, ...]:
    return ("--model", tiny_model(), "--to", tmp_path / "qdrant", "--collection", "notes")


@pytest.fixture
def others(sparse_model: Path, late_model: Path) -> tuple[str | Path, ...]:
    return ("--sparse", sparse_model, "--late", late_model)


@pytest.fixture
def stored(tmp_path: Path, place: tuple[str | Path, ...], others: tuple[str | Path, ...]) -> Path:
    """A folder, whose records are stored with all vectors."""
    source = tmp_path / "texts.jsonl"
    source.write_text("".join(json.dumps({"id": one, "text": text}) + "\n" for one, text in TEXTS.items()))
    done = run("ingest", source, *place, *others, "--json", "-")
    assert (done.returncode, json.loads(done.stdout)["embedded"]) == (0, 3)
    return source


def test_explain_gives_the_models_own_scores(
    stored: Path, place: tuple[str | Path, ...], others: tuple[str | Path, ...]
) -> None:
    assert stored.exists()
    hits = json.loads(run("search", "the cat", *place, "--hybrid", *others, "--explain", "--json", "-").stdout)
    sparse, late = SparseEncoder.load(others[1]), LateInteractionEncoder.load(others[3])
    (words,), (tokens,) = sparse.encode_queries(["the cat"]), late.encode_queries(["the cat"])
    for hit in hits:
        places, text = hit["places"], [hit["text"]]
        assert places["late"]["score"] == pytest.approx(maxsim(tokens, late.encode_documents(text))[0], abs=1e-4)
        found = places.get("sparse", {"score": 0})["score"]  # a text that shares no word with the query is not found
        assert found == pytest.approx(words.dot(sparse.encode_documents(text)[0]), abs=1e-4)
    assert sorted(hit["places"]["late"]["rank"] for hit in hits) == [1, 2, 3]
    shown = run("search", "the cat", *place, "--hybrid", *others, "--explain").stdout
    assert all(f"{name} 1 (" in shown for name in {name for hit in hits for name in hit["places"]})


def test_weights_choose_between_the_rankings_and_a_reranker_reads_what_they_found(
    stored: Path,
    place: tuple[str | Path, ...],
    others: tuple[str | Path, ...],
    tiny_reranker: Callable[..., Path],
) -> None:
    assert stored.exists()
    asked = ("search", "the cat", *place, "--hybrid", *others, "--explain", "--json", "-")
    by_tokens = json.loads(run(*asked, "--weights", "0,0,1").stdout)
    assert [hit["places"]["late"]["rank"] for hit in by_tokens] == [1, 2, 3]
    reranked = json.loads(run(*asked, "--rerank", tiny_reranker("int8"), "--candidates", "2", "--limit", "1").stdout)
    assert {"dense", "late"} <= set(reranked[0]["places"])


def test_the_late_model_ranks_the_candidates_of_a_dense_search(
    stored: Path, place: tuple[str | Path, ...], others: tuple[str | Path, ...]
) -> None:
    assert stored.exists()
    late = LateInteractionEncoder.load(others[3])
    (tokens,) = late.encode_queries(["the cat"])
    exact = {text: float(maxsim(tokens, late.encode_documents([text]))[0]) for text in TEXTS.values()}
    asked = ("search", "the cat", *place, "--rerank", others[3], "--json", "-")
    hits = json.loads(run(*asked).stdout)
    assert [hit["text"] for hit in hits] == sorted(exact, key=lambda text: -exact[text])
    assert [hit["score"] for hit in hits] == pytest.approx(sorted(exact.values(), reverse=True), abs=1e-4)
    few = json.loads(run(*asked, "--limit", "1", "--candidates", "1").stdout)
    found = json.loads(run("search", "the cat", *place, "--limit", "1", "--json", "-").stdout)
    assert [hit["text"] for hit in few] == [hit["text"] for hit in found]


def test_a_late_model_ranks_nothing_of_a_collection_without_its_vectors(
    tmp_path: Path, place: tuple[str | Path, ...], late_model: Path
) -> None:
    (tmp_path / "a.txt").write_text("the cat")
    assert run("ingest", tmp_path / "a.txt", *place).returncode == 0
    refused = run("search", "a", *place, "--rerank", late_model)
    assert (refused.returncode, "has no token vectors, expected token vectors of the model" in refused.stderr) == (
        1,
        True,
    )


def test_verify_checks_every_vector_whose_model_is_given(
    stored: Path, place: tuple[str | Path, ...], others: tuple[str | Path, ...]
) -> None:
    assert stored.exists()
    shown = run("verify", *place, *others)
    assert (shown.returncode, "least cosine of sparse  1.0000" in shown.stdout) == (0, True)
    assert "sparse, late: give the models with --sparse and --late" in run("verify", *place).stdout


def test_a_run_without_one_of_the_models_is_refused(
    stored: Path, place: tuple[str | Path, ...], others: tuple[str | Path, ...]
) -> None:
    refused = run("ingest", stored, *place, *others[:2])
    assert (refused.returncode, "has token vectors of the model" in refused.stderr) == (1, True)
    assert "--late DIR" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--explain",), "only for a search with --hybrid"),
        (("--sparse", "bm25", "--weights", "1,1"), "--sparse, --weights: only for a search with --hybrid"),
        (("--late", "models/colbert"), "A second look at what was found is --rerank DIR"),
        (("--candidates", "9"), "--candidates says how many chunks --rerank ranks"),
        (("--hybrid", "--weights", "1;1"), "expected numbers with commas between"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    place: tuple[str | Path, ...], arguments: tuple[str, ...], says: str
) -> None:
    refused = run("search", "a", *place, *arguments)
    assert refused.returncode == 2
    assert says in " ".join(refused.stderr.replace("│", " ").split())


def test_a_model_of_another_kind_is_refused_by_name(
    tmp_path: Path, place: tuple[str | Path, ...], late_model: Path
) -> None:
    (tmp_path / "a.txt").write_text("a")
    refused = run("ingest", tmp_path / "a.txt", *place, "--sparse", late_model)
    assert (refused.returncode, "late-interaction" in refused.stderr) == (1, True)
    assert not (tmp_path / "qdrant").exists()


def test_texts_that_a_model_cuts_are_counted(tmp_path: Path, place: tuple[str | Path, ...], late_model: Path) -> None:
    limit = LateInteractionEncoder.load(late_model).limit("document")
    (tmp_path / "a.txt").write_text("the cat sat " * limit)
    done = run("ingest", tmp_path / "a.txt", *place, "--late", late_model)
    assert (done.returncode, f"had more than the {limit} tokens" in done.stderr) == (0, True)


def test_kinds_are_added_and_moved_by_migrate_without_another_dense_vector(
    tmp_path: Path, place: tuple[str | Path, ...], others: tuple[str | Path, ...]
) -> None:
    source = tmp_path / "texts.jsonl"
    source.write_text("".join(json.dumps({"id": one, "text": text}) + "\n" for one, text in TEXTS.items()))
    run("ingest", source, *place, "--sparse", "bm25")
    refused = run("ingest", source, *place, *others)
    assert (refused.returncode, "embed-plugin migrate --sparse DIR" in refused.stderr) == (1, True)
    moved = json.loads(run("migrate", *place, *others, "--drop-old", "--json", "-").stdout)
    assert (moved["embedded"], moved["others"], moved["dropped"]) == (0, {"sparse": 3, "late": 3}, ["bm25"])
    assert json.loads(run("ingest", source, *place, *others, "--json", "-").stdout)["unchanged"] == 3
    assert run("verify", *place, *others).returncode == 0
    shown = run("migrate", *place, "--sparse", "bm25", "--bm25-k", "0.9").stdout
    assert ["bm25", "made", "3"] in [line.split() for line in shown.splitlines()]
    assert "bm25: bm25-" in shown
    assert run("migrate", *place, "--sparse", "bm25").stdout.splitlines()[1].split() == ["embedded", "0"]


def test_settings_of_bm25_without_it_are_wrong_usage(place: tuple[str | Path, ...]) -> None:
    for arguments in (("--bm25-k", "1"), ("--sparse", "bm25", "--sparse-language", "klingon")):
        assert run("migrate", *place, *arguments).returncode == 2


def test_giving_up_what_is_not_under_way_fails_and_takes_no_other_option(
    stored: Path, place: tuple[str | Path, ...]
) -> None:
    assert stored.exists()
    refused = run("migrate", *place, "--give-up")
    assert (refused.returncode, "no migration of 'notes'" in refused.stderr) == (1, True)
    assert run("migrate", *place, "--give-up", "--sparse", "bm25").returncode == 2
