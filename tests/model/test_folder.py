from __future__ import annotations

import base64
import json
import os
import shutil
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed_plugin import Encoder, EncoderSettings, ModelFolderError, read_model_folder
from embed_plugin.cli.reports.model import machine_of
from embed_plugin.model.canaries import CheckedOn, Platform
from embed_plugin.model.folder import write_manifest
from embed_plugin.model.identity import fingerprint_of
from embed_plugin.model.spec import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Callable


PLATFORM = {"cpu": "avx2", "kernels": "onnxruntime", "onnxruntime": "1.32.0"}


@pytest.fixture
def folder(tiny_model: Callable[..., Path], tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model(), tmp_path / "model")


def edit(folder: Path, **changes: Any) -> None:  # noqa: ANN401
    path = folder / "embed_plugin.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def sign(folder: Path) -> None:
    """Write the fingerprint of an edited manifest's content into it, if one can be computed."""
    content = json.loads((folder / "embed_plugin.json").read_text())
    del content["schema_version"]
    with suppress(TypeError, ValueError):
        edit(folder, fingerprint=fingerprint_of(ModelSpec(**content)))


def vector(dimension: int, value: float = 0.1) -> str:
    return base64.b64encode(np.full(dimension, value, "<f4").tobytes()).decode()


def test_a_folder_that_was_moved_is_the_same(folder: Path, tiny_model: Callable[..., Path]) -> None:
    assert read_model_folder(folder) == read_model_folder(tiny_model())


@pytest.mark.parametrize("name", ["model.onnx", "model.onnx.data", "model.kernels-2.onnx", "tokenizer.json"])
def test_one_changed_byte_is_found(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelFolderError, match=rf"{name} was changed after export"):
        Encoder.load(folder)


@pytest.mark.parametrize("name", ["model.onnx", "model.onnx.data", "tokenizer.json", "embed_plugin.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelFolderError, match=rf"{name} is missing"):
        Encoder.load(folder)


def test_a_missing_folder_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"nowhere is not a folder.*embed-plugin export"):
        Encoder.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 1}, "schema version 1, this embed-plugin reads 2"),
        ({"query_prefix": "other: "}, "was edited"),
        ({"max_tokens": "512"}, "max_tokens is '512'"),
        ({"pooling": "median"}, "pooling is 'median'"),
        ({"checked_on": "x86-64"}, "checked_on is 'x86-64'"),
        ({"checked_on": {}}, "checked_on cannot be read"),
        ({"checked_on": {"platform": PLATFORM, "canaries": {}}}, "checked_on cannot be read .*no canary"),
        ({"checked_on": {"platform": PLATFORM, "canaries": ["text"]}}, "checked_on cannot be read"),
        ({"checked_on": {"platform": PLATFORM, "canaries": {"text": 1}}}, "checked_on cannot be read"),
        ({"checked_on": {"platform": PLATFORM, "canaries": {"text": "AAAA"}}}, "vectors of 32 numbers"),
        ({"checked_on": {"platform": PLATFORM, "canaries": {"text": vector(31)}}}, "vectors of 32 numbers"),
        (
            {"checked_on": {"platform": PLATFORM, "canaries": {"a": vector(31), "b": vector(33)}}},
            "cannot be read",
        ),
        ({"checked_on": {"platform": PLATFORM, "canaries": {"text": vector(32, np.nan)}}}, "NaN or infinity"),
        (
            {"checked_on": {"platform": {**PLATFORM, "cpu": 86}, "canaries": {"text": vector(32)}}},
            "cannot be read .*86",
        ),
        ({"checked_on": {"platform": {"cpu": "avx2"}, "canaries": {"text": vector(32)}}}, "cannot be read"),
        ({"max_tokens": 0}, "max_tokens is 0, expected 1 to"),
        ({"max_tokens": -5}, "max_tokens is -5, expected 1 to"),
        ({"max_tokens": True}, "max_tokens is True"),
        ({"max_tokens": 2**31}, "max_tokens is 2147483648, expected 1 to"),
        ({"max_tokens": 1e999}, "max_tokens is inf"),
        ({"max_tokens": 2}, "2 special tokens around a text, and the model takes 2 tokens"),
        ({"dimension": 0}, "dimension is 0, expected 1 to"),
        ({"dimension": -1}, "dimension is -1, expected 1 to"),
        ({"dimension": float("nan")}, "dimension is nan"),
        ({"dimension": 64}, "expected a platform and, by text, vectors of 64 numbers"),
        ({"document_prefix": "\ud800"}, "cannot be read"),
        ({"files": {"model.onnx": 1}}, "does not vouch for|changed after export"),
        ({"files": {"m" * 5000: "0"}}, "does not vouch for|cannot be read"),
        ({"schema_version": True}, "schema version True"),
        ({"surprise": 1}, r"missing or unknown fields \(surprise\)"),
    ],
)
def test_an_edited_manifest_is_refused(folder: Path, changes: dict[str, object], message: str) -> None:
    edit(folder, **changes)
    if "query_prefix" not in changes:
        sign(folder)
    with pytest.raises(ModelFolderError, match=message):
        Encoder.load(folder)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["\ud800", "..", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(name=st.sampled_from([field.name for field in fields(ModelSpec)]), value=json_values, signed=st.booleans())
@settings(max_examples=150)
def test_whatever_stands_in_a_manifest_it_loads_or_is_refused(
    tiny_model: Callable[..., Path], name: str, value: object, *, signed: bool
) -> None:
    with TemporaryDirectory() as scratch:
        folder = shutil.copytree(tiny_model(), Path(scratch) / "model", copy_function=os.link)
        manifest = (folder / "embed_plugin.json").read_text()
        (folder / "embed_plugin.json").unlink()  # a link to the original
        (folder / "embed_plugin.json").write_text(manifest)
        edit(folder, **{name: value})
        if signed:
            sign(folder)
        with suppress(ModelFolderError):
            read_model_folder(folder)


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
@settings(max_examples=100)
def test_a_manifest_with_one_other_byte_loads_or_is_refused(
    tiny_model: Callable[..., Path], at: int, byte: int
) -> None:
    content = bytearray((tiny_model() / "embed_plugin.json").read_bytes())
    content[at % len(content)] = byte
    with TemporaryDirectory() as scratch:
        (Path(scratch) / "embed_plugin.json").write_bytes(content)
        with pytest.raises(ModelFolderError):  # for its files are missing, at the latest
            read_model_folder(scratch)


def test_a_manifest_nested_too_deep_is_refused(folder: Path) -> None:
    (folder / "embed_plugin.json").write_text("[" * 100_000)
    with pytest.raises(ModelFolderError, match=r"embed_plugin\.json cannot be read"):
        Encoder.load(folder)


@pytest.mark.parametrize("content", ["", "[1]", '{"schema_version": 2', "\udcff"])
def test_a_manifest_that_is_no_manifest_is_refused(folder: Path, content: str) -> None:
    (folder / "embed_plugin.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelFolderError, match=r"embed_plugin\.json"):
        Encoder.load(folder)


def test_a_manifest_cannot_vouch_for_a_file_elsewhere(folder: Path) -> None:
    spec = read_model_folder(folder)
    files = {**spec.files, "../outside": "0" * 64}
    edit(folder, files=files)
    edit(folder, fingerprint=fingerprint_of(type(spec)(**{**spec.__dict__, "files": files})))
    with pytest.raises(ModelFolderError, match=r"does not vouch for \.\./outside"):
        Encoder.load(folder)


def test_the_fingerprint_covers_all_that_changes_numbers(folder: Path) -> None:
    spec = read_model_folder(folder)
    files = [{**spec.files, name: "0" * 64} for name in ("model.onnx", "model.onnx.data", "tokenizer.json")]
    changes: list[dict[str, Any]] = [{"files": changed} for changed in files]
    changes += [{"query_prefix": "q: "}, {"document_prefix": "d: "}, {"max_tokens": 9}, {"dimension": 8}]
    changes += [{"pooling": "max"}, {"precision": "fp32"}]
    for change in changes:
        assert fingerprint_of(replace(spec, **change)) != spec.fingerprint, change


def test_the_fingerprint_covers_nothing_else(folder: Path) -> None:
    spec = read_model_folder(folder)
    checked_on = CheckedOn(Platform("dotprod", "onnxruntime", "1.24.1"), {"text": vector(32)})
    changes: list[dict[str, Any]] = [{"provenance": {"machine": "other"}}, {"checked_on": checked_on}]
    changes += [{"source": "a copy"}, {"revision": "x"}, {"architecture": "bert-like"}]
    for change in changes:
        assert fingerprint_of(replace(spec, **change)) == spec.fingerprint, change


def test_a_folder_without_the_graph_for_own_kernels_is_the_same_model(folder: Path) -> None:
    spec = read_model_folder(folder)
    for path in folder.glob("model.kernels-2.onnx*"):
        path.unlink()
    (folder / "README.md").write_text("our model")
    assert write_manifest(folder, spec).fingerprint == spec.fingerprint
    assert Encoder.load(folder).fingerprint == spec.fingerprint


def test_a_folder_made_for_earlier_kernels_is_run_by_its_plain_graph(folder: Path) -> None:
    spec = read_model_folder(folder)
    (folder / "model.kernels-2.onnx").rename(folder / "model.kernels.onnx")
    older = write_manifest(folder, spec)
    assert Encoder.load(folder, EncoderSettings(on_other_cpu="error")).fingerprint == spec.fingerprint
    assert machine_of(older)["kernels"] == "onnxruntime"
    assert "of an older version: export it again" in machine_of(older)["reason"]


def test_a_precision_that_is_no_longer_made_is_refused_with_the_remedy(folder: Path) -> None:
    write_manifest(folder, replace(read_model_folder(folder), precision="int8-dynamic"))  # type: ignore[arg-type]
    with pytest.raises(
        ModelFolderError, match=r"precision is 'int8-dynamic', .*make it again with  embed-plugin export"
    ):
        Encoder.load(folder)
