"""The commands on the folder of a sparse encoder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from embed_plugin import SparseEncoder
from support.command_line import run
from support.sparse_checkpoints import checkpoint_of

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = "the cat\na dog\n"


def test_export_asks_for_the_kind_of_a_plain_masked_language_model(tmp_path: Path) -> None:
    checkpoint = checkpoint_of("splade-distilbert", tmp_path / "splade-distilbert")
    refused = run("export", checkpoint, "--out", tmp_path / "model", "--precision", "fp32")
    assert refused.returncode == 1
    assert "say so with --kind sparse" in refused.stderr
    done = run("export", checkpoint, "--out", tmp_path / "model", "--precision", "fp32", "--kind", "sparse")
    assert done.returncode == 0, done.stderr
    assert ["kinds", "sparse"] in [line.split() for line in run("info", tmp_path / "model").stdout.splitlines()]


def test_info_says_what_a_sparse_encoder_has_besides(sparse_model: Path) -> None:
    lines = [line.split(maxsplit=1) for line in run("info", sparse_model).stdout.splitlines()]
    assert ["kinds", "sparse"] in lines
    assert ["queries", "by a table, at most 256 tokens"] in lines
    assert ["activation", "log1p_relu"] in lines


def test_encode_writes_indices_and_values(sparse_model: Path) -> None:
    encoder = SparseEncoder.load(sparse_model)
    for role, vectors in (("query", encoder.encode_queries), ("document", encoder.encode_documents)):
        done = run("encode", sparse_model, "--role", role, stdin=TEXTS)
        assert done.returncode == 0, done.stderr
        found = [json.loads(line) for line in done.stdout.splitlines()]
        expected = vectors(TEXTS.splitlines())
        assert found == [{"indices": each.indices.tolist(), "values": each.values.tolist()} for each in expected]


def test_encode_has_no_npy_file_of_sparse_vectors(sparse_model: Path, tmp_path: Path) -> None:
    done = run("encode", sparse_model, "--out", tmp_path / "vectors.npy", stdin=TEXTS)
    assert done.returncode == 2
    assert "leave --out out" in " ".join(done.stderr.split())


def test_other_commands_name_the_class_that_loads_it(sparse_model: Path) -> None:
    done = run("search", "cats", "--model", sparse_model, "--to", ":memory:", "--collection", "cats")
    assert done.returncode == 1
    assert "a sparse encoder, expected an embedding model: load it with embed_plugin.SparseEncoder" in done.stderr
