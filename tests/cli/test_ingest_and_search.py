from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conftest import HANG_SECONDS
from embed_plugin.ingest import open_client
from support.command_line import run
from support.grpc_qdrant import grpc_qdrant
from support.misbehaving_qdrant import misbehaving_qdrant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def model(tiny_model: Callable[..., Path]) -> str:
    return str(tiny_model())


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-c", "from embed_plugin.cli import main; main()", *map(str, arguments)]


def run_process(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    given = command(*arguments)
    return subprocess.run(given, input=stdin, capture_output=True, text=True, check=False, timeout=HANG_SECONDS)


@pytest.fixture
def place(tmp_path: Path, model: str) -> tuple[str, ...]:
    """Options that name the model and the collection."""
    return ("--model", model, "--to", str(tmp_path / "qdrant"), "--collection", "notes")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "cat.md").write_text("# The cat\n\nthe cat sat on the mat")
    (folder / "dog.txt").write_text("the dog ran fast\x1b[31m")
    (folder / "image.png").write_bytes(b"\x89PNG")
    return folder


def test_a_folder_is_ingested_once_and_found(notes: Path, place: tuple[str, ...]) -> None:
    first = run_process("ingest", notes, *place, "--json", "-")
    assert (first.returncode, first.stderr.count("\n"), first.stderr[:8]) == (0, 1, "ingest: ")
    summary = json.loads(first.stdout)
    assert (summary["records"], summary["embedded"], summary["skipped_files"]) == (2, 2, 1)
    assert json.loads(run("ingest", notes, *place, "--json", "-").stdout)["unchanged"] == 2

    found = run_process("search", "the dog ran fast", *place, "--limit", "1")
    assert found.returncode == 0
    assert found.stdout.split()[0] == "1"
    assert "dog.txt" in found.stdout
    assert "\x1b" not in found.stdout
    hits = json.loads(run("search", "the dog ran fast", *place, "--json", "-").stdout)
    assert [hit["source_id"] for hit in hits] == ["dog.txt", "cat.md"]


@pytest.mark.parametrize("layout", ["plain", "langchain", "llama-index"])
def test_every_layout_has_what_a_citation_needs(notes: Path, place: tuple[str, ...], layout: str) -> None:
    (notes / "rows.jsonl").write_text('{"text": "a slow cat", "title": "Mine"}\n')
    run("ingest", notes, *place, "--layout", layout)
    hits = json.loads(run("search", "the dog ran fast", *place, "--limit", "9", "--json", "-").stdout)
    found = {hit["source_id"]: hit["metadata"] for hit in hits}
    cited = {"source": str(notes / "dog.txt"), "title": "dog.txt", "record_id": "dog.txt", "chunk": 0}
    lines = {"first_line": 1, "last_line": 1}
    assert found["dog.txt"] == {**cited, **lines, "start": 0, "end": len((notes / "dog.txt").read_text())}
    assert found["cat.md"]["title"] == "The cat"
    assert (found["rows.jsonl#1"]["title"], found["rows.jsonl#1"]["record_id"]) == ("Mine", "rows.jsonl#1")
    assert {hit["source_name"] for hit in hits} == {"notes"}


def test_a_hit_is_cited_by_line_and_headings_and_equal_ones_are_collapsed(notes: Path, place: tuple[str, ...]) -> None:
    (notes / "long.md").write_text("# Cats\n\n" + "the cat sat\n\n" * 9 + "## Dogs\n\nthe dog ran fast\n")
    (notes / "copy.txt").write_text("The dog ran fast!")
    run("ingest", notes, *place, "--chunk-tokens", "12")
    shown = run("search", "the dog ran fast", *place, "--context", "1", "--limit", "9").stdout
    assert "long.md:21  Dogs" in shown
    assert shown.index("the cat sat the cat sat") < shown.index("## Dogs")
    hits = json.loads(run("search", "the dog ran fast", *place, "--json", "-", "--per-record", "1").stdout)
    assert len({hit["source_id"] for hit in hits}) == len(hits) > 2
    assert next(hit["citation"] for hit in hits if hit["source_id"] == "long.md").startswith("long.md:")


def test_lines_from_stdin_are_ingested_and_summed_up_for_people(place: tuple[str, ...]) -> None:
    lines = '{"name": "a", "body": "the cat"}\n{"name": "b", "body": ""}\n'
    done = run("ingest", "-", *place, "--id-field", "name", "--text-field", "body", "--quiet", stdin=lines)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split() for line in done.stdout.splitlines()[:3]] == [
        ["records", "2"],
        ["empty", "1"],
        ["rejected", "0"],
    ]


def test_a_dry_run_makes_no_folder(notes: Path, place: tuple[str, ...], tmp_path: Path) -> None:
    done = run("ingest", notes, *place, "--dry-run", "--json", tmp_path / "plan.json")
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert (done.returncode, plan["embedded"], plan["dry_run"]) == (0, 2, True)
    assert not (tmp_path / "qdrant").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ingest", "nowhere.txt"), "nowhere.txt: no such file or folder"),
        (("ingest", "-", "--shard", "3/2"), "shard 3/2: expected I/N"),
        (("ingest", "-", "--chunk-tokens", "1"), "1 tokens a chunk"),
        (("search", "cat"), "no collection 'notes' (found: none)"),
        (("search", " "), "the query is empty"),
    ],
)
def test_what_goes_wrong_is_one_line_and_exit_code_1(
    place: tuple[str, ...], arguments: tuple[str, ...], says: str
) -> None:
    done = run(*arguments, *place, stdin="not json")
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_option_is_wrong_usage(model: str) -> None:
    assert run("ingest", "-", "--model", model).returncode == 2


def test_what_is_rejected_is_in_a_file_with_the_reason_and_can_be_tried_again(
    place: tuple[str, ...], tmp_path: Path
) -> None:
    letters = tmp_path / "letters.jsonl"
    lines = '{"id": "a", "text": "the cat"}\n{"id": "b", "text": 1}\nnot json\n'
    done = run("ingest", "-", *place, "--id-field", "id", "--rejected", letters, "--json", "-", stdin=lines)
    assert done.returncode == 3
    assert f"2 records were rejected. {letters} says why" in done.stderr
    summary = json.loads(done.stdout)
    assert (summary["embedded"], summary["rejected"], summary["rejected_file"]) == (1, 2, str(letters))
    written = [json.loads(line) for line in letters.read_text().splitlines()]
    assert [(letter["source"], letter["place"]) for letter in written] == [("b", "stdin:2"), (None, "stdin:3")]

    letters.write_text(letters.read_text().replace("not json", '{\\"id\\": \\"c\\", \\"text\\": \\"a dog\\"}'))
    again = run("ingest", *place, "--id-field", "id", "--retry-rejected", letters, "--json", "-")
    assert (again.returncode, json.loads(again.stdout)["embedded"]) == (3, 1)
    assert [json.loads(line)["source"] for line in letters.read_text().splitlines()] == ["b"]


def test_a_dry_run_says_what_each_record_would_be_and_what_it_would_take(notes: Path, place: tuple[str, ...]) -> None:
    run("ingest", notes, *place)
    (notes / "cat.md").write_text("# The cat\n\nthe cat ran fast")
    (notes / "dog.txt").unlink()
    plan = json.loads(run("ingest", notes, *place, "--dry-run", "--mirror", "--max-delete", "1", "--json", "-").stdout)
    assert {source["source_id"]: source["status"] for source in plan["plan"]} == {
        "cat.md": "changed",
        "dog.txt": "removed",
    }
    assert (plan["embedded"], plan["removed"], plan["sources"]) == (1, 1, {"changed": 1, "removed": 1})
    assert plan["estimate"]["tokens"] == plan["plan"][0]["tokens"] > 0
    assert plan["estimate"]["vector_bytes"] == 4 * 32
    shown = run("ingest", notes, *place, "--dry-run")
    assert shown.stdout.startswith("changed       cat.md  (1 of 1 chunk to embed")
    assert "Dry run: nothing was embedded or written." in shown.stderr


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_unknown_tokens_are_in_the_summary_and_many_are_warned_of_once(
    place: tuple[str, ...], options: list[str]
) -> None:
    lines = "".join(
        json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(["ภาษา", "the cat", "ไทย ลาว"])
    )
    done = run("ingest", "-", *place, "--id-field", "id", *options, "--json", "-", stdin=lines)
    summary = json.loads(done.stdout)
    assert (summary["tokens"], summary["unknown_tokens"]) == (11, 3)
    assert "unknown" not in done.stderr
    lines = json.dumps({"id": "9", "text": "ภาษา ไทย ลาว"})
    done = run("ingest", "-", *place, "--id-field", "id", *options, stdin=lines)
    assert done.stderr.count("60% of the tokens (3 of 5) are unknown to this model's tokenizer") == 1


def test_a_mirror_that_would_remove_too_much_fails_and_says_how_to_allow_it(
    notes: Path, place: tuple[str, ...]
) -> None:
    run("ingest", notes, *place)
    (notes / "dog.txt").unlink()
    strict = (*place, "--mirror", "--max-delete-records", "0")
    refused = run("ingest", notes, *strict)
    assert refused.returncode == 1
    assert "50.0%, and more than 10.0% are not removed unasked. Allow it with --max-delete" in refused.stderr
    done = run("ingest", notes, *strict, "--max-delete", "0.5", "--json", "-")
    assert (done.returncode, json.loads(done.stdout)["removed"]) == (0, 1)


def test_a_collection_is_dropped_only_when_it_is_said_twice(notes: Path, place: tuple[str, ...]) -> None:
    run("ingest", notes, *place)
    assert run("ingest", notes, *place, "--recreate").returncode == 2
    assert json.loads(run("ingest", notes, *place, "--json", "-").stdout)["unchanged"] == 2
    assert json.loads(run("ingest", notes, *place, "--recreate", "--yes", "--json", "-").stdout)["embedded"] == 2


@pytest.mark.parametrize("arguments", [("--retry-rejected", "x.jsonl"), ("--retry-rejected", "x.jsonl", "--mirror")])
def test_paths_and_a_file_to_try_again_exclude_each_other(place: tuple[str, ...], arguments: tuple[str, ...]) -> None:
    assert run("ingest", "notes", *place, *arguments).returncode == 2
    assert run("ingest", *place).returncode == 2


def test_words_count_in_a_hybrid_search(notes: Path, place: tuple[str, ...]) -> None:
    run("ingest", notes, *place, "--sparse", "bm25")
    hits = json.loads(run("search", "fast dog", *place, "--hybrid", "--json", "-").stdout)
    assert hits[0]["source_id"] == "dog.txt"


def test_words_of_a_language_count_and_another_language_is_refused_by_name(notes: Path, place: tuple[str, ...]) -> None:
    notes.joinpath("haus.txt").write_text("Die alten Häuser", encoding="utf-8")
    german = ("--sparse", "bm25", "--sparse-language", "german", "--bm25-mean-words", "20")
    assert run("ingest", notes, *place, *german).returncode == 0
    hits = json.loads(run("search", "Haus", *place, "--hybrid", "--json", "-").stdout)
    assert hits[0]["source_id"] == "haus.txt"
    assert json.loads(run("ingest", notes, *place, *german, "--json", "-").stdout)["embedded"] == 0
    refused = run("ingest", notes, *place, "--sparse", "bm25", "--sparse-language", "english")
    assert (refused.returncode, "BM25 with the language german, expected english" in refused.stderr) == (1, True)


def summary_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads(done.stdout)
    stored = sum(summary["sources"].get(status, 0) for status in ("new", "changed", "metadata_only", "unchanged"))
    assert summary["records"] == stored + summary["rejected_records"] + summary["empty"]
    return summary


@pytest.fixture(params=["memory", "folder", "edge", "http", "grpc"])
def every_target(request: pytest.FixtureRequest, tmp_path: Path, model: str) -> Iterator[tuple[str, ...]]:
    """Options that name the model and a collection, of each kind of target."""
    servers, options = ExitStack(), ("--model", model, "--collection", "notes", "--to")
    if request.param in {"http", "grpc"}:
        url, behaviour = servers.enter_context(misbehaving_qdrant())
        patch = servers.enter_context(pytest.MonkeyPatch.context())
        port, _ = servers.enter_context(grpc_qdrant(behaviour.engine))
        opened = partial(open_client, prefer_grpc=request.param == "grpc", grpc_port=port)
        patch.setattr("embed_plugin.ingest.stores.open.open_client", opened)
        target = url
    else:
        target = {"memory": ":memory:", "folder": f"{tmp_path}/q", "edge": f"edge:{tmp_path}/q"}[request.param]
    with servers:
        yield (*options, target)


def test_what_no_target_may_hold_is_decided_before_anything_is_sent(
    every_target: tuple[str, ...], tmp_path: Path
) -> None:
    options, letters = (*every_target, "--id-field", "id", "--json", "-"), tmp_path / "letters"
    deep = {"id": "deep", "text": "the cat", "x": json.loads("[" * 64 + "]" * 64)}
    numbers = [2**63, {"m": -(2**63) - 1}]
    fits = {"id": "fits", "text": "the dog", "x": json.loads("[" * 63 + "]" * 63), "n": numbers}
    lines = json.dumps(deep) + "\n" + "[" * 100_000 + "\n" + json.dumps(fits) + "\n"
    done = run("ingest", "-", *options, "--rejected", letters, stdin=lines)
    summary = summary_of(done)
    assert (done.returncode, summary["rejected_records"], summary["sources"]) == (3, 2, {"new": 1})
    assert (summary["numbers_as_text"], summary["rejected_chunks"]) == (2, 0)
    retried = run("ingest", *options, "--retry-rejected", letters)
    assert (retried.returncode, summary_of(retried)["rejected_records"]) == (3, 2)
    if ":memory:" not in every_target:
        again = run("ingest", "-", *options, stdin=json.dumps(fits))
        assert (again.returncode, summary_of(again)["sources"]) == (0, {"unchanged": 1})
        found = json.loads(run("search", "the dog", *every_target, "--json", "-").stdout)
        assert found[0]["metadata"]["n"] == ["9223372036854775808", {"m": "-9223372036854775809"}]


def test_names_and_ids_that_are_no_unicode_are_rejected_alone_and_escaped(
    place: tuple[str, ...], tmp_path: Path
) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/ro\xe9t"))
    bad = folder / os.fsdecode(b"fold\xe9r")
    bad.mkdir(parents=True)
    (bad / "a.txt").write_text("the cat")
    (folder / os.fsdecode(b"caf\xe9.jsonl")).write_text('{"id": "x", "text": "the cat"}\n' * 3)
    lines = [
        '{"id": "\\udce9", "text": "a"}',
        '{"id": "b", "text": "a", "\\ud800": 1}',
        '{"id": "c", "text": "the dog"}',
    ]
    (folder / "ok.jsonl").write_text("\n".join(lines))
    letters = Path(os.fsdecode(os.fsencode(tmp_path) + b"/l\xe9tters"))
    options: tuple[str | Path, ...] = (*place, "--id-field", "id", "--rejected", letters)
    for more in ("--dry-run", "--mirror"):
        done = run_process("ingest", folder, *options, more)
        assert done.returncode == 3, done.stderr
    assert "l\\udce9tters says why" in done.stderr
    places = [json.loads(line)["place"].rpartition("/")[2] for line in letters.read_text().splitlines()]
    assert places == [r"caf\udce9.jsonl", r"a.txt", "ok.jsonl:1", "ok.jsonl:2"]
    retried = run_process("ingest", *place, "--id-field", "id", "--retry-rejected", letters, "--json", "-")
    summary = summary_of(retried)
    assert (retried.returncode, summary["rejected_records"]) == (3, 4)
    assert summary["rejected_file"].endswith("l\udce9tters")


def test_a_folder_whose_name_is_no_unicode_is_a_source_and_a_collection_is_none(
    place: tuple[str, ...], tmp_path: Path
) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/ro\xe9t"))
    folder.mkdir()
    (folder / "a.txt").write_text("the cat")
    done = [run("ingest", folder, *place, "--mirror", "--json", "-") for _ in range(2)]
    assert [one.returncode for one in done] == [0, 0]
    assert summary_of(done[1])["sources"] == {"unchanged": 1, "removed": 0}
    refused = run("ingest", folder, *place[:-1], os.fsdecode(b"c\xe9"))
    assert refused.returncode == 1
    assert r"the collection's name, c\udce9, is not UTF-8" in refused.stderr


def test_a_file_that_is_named_and_whose_name_is_no_unicode_is_rejected(place: tuple[str, ...], tmp_path: Path) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))
    file.write_text("the cat")
    done = run("ingest", file, *place, "--rejected", tmp_path / "letters", "--json", "-")
    assert (done.returncode, summary_of(done)["rejected_records"]) == (3, 1)
    assert r"caf\\udce9.txt: its name is not UTF-8" in (tmp_path / "letters").read_text()


def test_the_rows_of_a_table_are_all_in_a_count(place: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("text\tn\n" + "".join(f'"the cat {n}\t{n}\n' for n in range(40)))
    (tmp_path / "b.csv").write_text("text,n\nthe dog,1\n" + '"the cat,2\n' + "the dog,3\n" * 20)
    done = run("ingest", tmp_path / "a.tsv", tmp_path / "b.csv", *place, "--rejected", tmp_path / "l", "--json", "-")
    summary = summary_of(done)
    assert (summary["records"], summary["rejected_records"], summary["rejected"]) == (62, 21, 21)
    printed = run("ingest", tmp_path / "b.csv", *place, "--rejected", tmp_path / "l").stdout.splitlines()
    assert ["rejected", "records", "21"] in [line.split() for line in printed]


def test_json_is_written_whatever_the_encoding_of_stdout(place: tuple[str, ...], notes: Path) -> None:
    (notes / "naïve.txt").write_text("the cat")
    given = command("ingest", notes, *place, "--dry-run", "--json", "-")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(given, capture_output=True, text=True, check=True, timeout=HANG_SECONDS, env=environment)
    assert "naïve.txt" in [planned["source_id"] for planned in json.loads(done.stdout)["plan"]]
