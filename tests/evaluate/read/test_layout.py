"""The layouts of real datasets, each named beside its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin import RecordError
from embed_plugin.evaluate.read.layout import find_pairs, find_retrieval, holds_retrieval

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = "-00000-of-00001.parquet"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "set"


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def parts(folder: Path, *, split: str | None = None, subset: str | None = None) -> list[list[str]]:
    found = find_retrieval(folder, split=split, subset=subset)
    return [
        [path.relative_to(folder).as_posix() for path in each] for each in (found.corpus, found.queries, found.qrels)
    ]


@pytest.mark.parametrize(
    ("files", "split"),
    [
        (["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"], "test"),  # BEIR
        (["corpus.jsonl", "queries.jsonl", "qrels/test.jsonl"], "test"),  # mteb/fiqa, mteb/AILA_statutes
        (
            [f"corpus/test{WHOLE}", f"queries/test{WHOLE}", f"qrels/test{WHOLE}"],
            "test",
        ),  # mteb/LEMBNarrativeQARetrieval
        ([f"corpus/test{WHOLE}", f"queries/test{WHOLE}", f"data/test{WHOLE}"], "test"),  # mteb/CQADupstack-Unix-PL
        (
            [f"corpus/corpus{WHOLE}", f"queries/queries{WHOLE}", f"data/default{WHOLE}"],
            "default",
        ),  # core17-instructions
        ([f"corpus/train{WHOLE}", f"queries/train{WHOLE}", f"qrels/train{WHOLE}"], "train"),  # NanoFiQA2018
        ([f"de-corpus/test{WHOLE}", f"de-queries/test{WHOLE}", f"de-qrels/test{WHOLE}"], "test"),  # WebFAQRetrieval
        ([f"corpus/corpus{WHOLE}", f"query/test{WHOLE}", f"qrels/test{WHOLE}"], "test"),  # mteb/EmoV_DB_a2t
        (
            ["corpus/corpus/0000.parquet", "queries/queries/0000.parquet", "default/test/0000.parquet"],
            "test",
        ),  # converted
        (["data/corpus.jsonl", "data/queries.jsonl", "data/default.jsonl"], "default"),  # isaacus/mteb-barexam-qa
        (["corpus.jsonl.gz", "queries.jsonl.gz", "qrels/test.tsv"], "test"),  # BeIR/nfcorpus and its judgements
        (["data/corpus.parquet", "data/queries.parquet", "data/qrels.parquet"], ""),  # Limour/H2Retrieval
    ],
)
def test_the_files_of_a_retrieval_data_set(folder: Path, files: list[str], split: str) -> None:
    fill(folder, *files, "README.md", "instruction/instruction.parquet", ".cache/corpus/test.parquet", "corpus.tsv")
    assert parts(folder) == [[name] for name in files]
    assert find_retrieval(folder, split=None, subset=None).split == split
    assert holds_retrieval(folder)


def test_shards_are_in_order_and_all_there(folder: Path) -> None:
    shards = [f"corpus/corpus-0000{n}-of-00003-0123456789abcdef.parquet" for n in (2, 0, 1)]
    numbered = [f"queries/queries/{n:04}.parquet" for n in range(11)]
    fill(folder, *shards, *numbered, "qrels/test.jsonl")
    assert parts(folder)[:2] == [sorted(shards), numbered]
    (folder / shards[2]).unlink()
    with pytest.raises(RecordError, match=r"set/corpus has corpus-00000-of-00003.*; expected each of 3 shards once"):
        parts(folder)


def test_a_missing_numbered_file_is_noticed(folder: Path) -> None:
    fill(folder, "corpus.jsonl", "queries/queries/0000.parquet", "queries/queries/0002.parquet", "qrels/test.jsonl")
    with pytest.raises(RecordError, match="expected each of 3 shards once: download the folder again"):
        parts(folder)


def test_the_split_is_test_or_the_one_that_is_asked_for(folder: Path) -> None:
    fill(
        folder, "corpus.jsonl", "queries/dev.jsonl", "queries/test.jsonl", *(f"qrels/{n}.tsv" for n in ("dev", "test"))
    )
    assert parts(folder)[1:] == [["queries/test.jsonl"], ["qrels/test.tsv"]]
    assert parts(folder, split="dev")[1:] == [["queries/dev.jsonl"], ["qrels/dev.tsv"]]
    with pytest.raises(RecordError, match="has no split 'train', but dev, test: choose one with --split"):
        parts(folder, split="train")


def test_a_split_may_be_a_year(folder: Path) -> None:
    fill(folder, "corpus.jsonl", "queries.jsonl", "qrels/2020.jsonl", "qrels/20260101120000.tsv")
    assert parts(folder, split="2020")[2] == ["qrels/2020.jsonl"]


def test_several_splits_without_test_are_named(folder: Path) -> None:
    fill(folder, "corpus.jsonl", "queries.jsonl", "qrels/dev.jsonl", "qrels/train.jsonl")
    with pytest.raises(RecordError, match="has several splits, dev, train: choose one with --split"):
        parts(folder)
    assert parts(folder, split="train")[2] == ["qrels/train.jsonl"]


def test_a_corpus_of_other_splits_is_not_guessed(folder: Path) -> None:
    fill(folder, "corpus/train.parquet", "corpus/dev.parquet", "queries.jsonl", "qrels/test.jsonl")
    with pytest.raises(RecordError, match="corpus: found the splits dev, train, expected test: choose with --split"):
        parts(folder)


def test_one_of_several_subsets_is_chosen(folder: Path) -> None:
    fill(
        folder,
        *(f"{language}-{part}/test{WHOLE}" for language in ("de", "fr") for part in ("corpus", "queries", "qrels")),
    )
    assert parts(folder, subset="fr") == [[f"fr-{part}/test{WHOLE}"] for part in ("corpus", "queries", "qrels")]
    with pytest.raises(RecordError, match="has several subsets, de, fr: choose one with --subset"):
        parts(folder)
    (folder / f"fr-corpus/test{WHOLE}").unlink()
    with pytest.raises(RecordError, match="subset 'fr', has no corpus"):
        parts(folder, subset="fr")


def test_of_two_formats_one_is_taken(folder: Path) -> None:
    fill(folder, "corpus.jsonl", "queries.jsonl", "qrels/test.jsonl", "qrels/test.tsv", f"qrels/test{WHOLE}")
    assert parts(folder)[2] == ["qrels/test.tsv"]


@pytest.mark.parametrize(
    ("files", "subset", "expected"),
    [
        (["test.jsonl.gz", "train.jsonl.gz"], None, "test.jsonl.gz"),  # mteb/sts12-sts
        ([f"data/test{WHOLE}", f"data/train{WHOLE}"], None, f"data/test{WHOLE}"),
        (["default/test/0000.parquet", "default/train/0000.parquet"], None, "default/test/0000.parquet"),  # converted
        (["en-de/test.jsonl.gz", "en-en/test.jsonl.gz"], "en-de", "en-de/test.jsonl.gz"),  # mteb/sts17-crosslingual-sts
        (["train.parquet"], None, "train.parquet"),
    ],
)
def test_the_file_of_sentence_pairs(folder: Path, files: list[str], subset: str | None, expected: str) -> None:
    fill(folder, *files)
    assert find_pairs(folder, split=None, subset=subset) == (folder / expected,)
    assert not holds_retrieval(folder)


def test_several_files_of_pairs_are_named(folder: Path) -> None:
    fill(folder, "dev.parquet", "train.parquet")
    with pytest.raises(RecordError, match="has several splits, dev, train: choose one with --split"):
        find_pairs(folder, split=None, subset=None)
