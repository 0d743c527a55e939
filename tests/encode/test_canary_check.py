from __future__ import annotations

import json
import pickle
import shutil
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import Encoder, EncoderSettings, ModelFolderError, OtherCpuWarning, read_model_folder
from embed_plugin.encode.canary_check import TEXTS
from embed_plugin.encode.session import ONNXRUNTIME_VERSION, OnnxSession
from embed_plugin.export import ExportSettings, export
from embed_plugin.model.canaries import CheckedOn, Platform
from embed_plugin.model.folder import write_manifest
from support.one_operator import needs_library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


ANOTHER = Platform("another CPU", "onnxruntime", ONNXRUNTIME_VERSION)


@pytest.fixture
def moved(tiny_model: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Make a folder that was checked on another platform, with canary vectors at this distance from those here."""

    def make(*, noise: float, platform: Platform = ANOTHER, exact: bool = False) -> Path:
        folder = shutil.copytree(tiny_model(), tmp_path / "model")
        spec = read_model_folder(folder)
        vectors = spec.checked_on.vectors(spec.dimension)
        vectors = vectors + noise * np.random.default_rng(1).standard_normal(vectors.shape, dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        checked_on = CheckedOn.of(platform, list(spec.checked_on.canaries), vectors, exact=exact)
        write_manifest(folder, type(spec)(**{**spec.__dict__, "checked_on": checked_on}))
        return folder

    return make


def test_a_folder_carries_the_vectors_its_encoder_gives(tiny_encoder: Encoder) -> None:
    checked_on = tiny_encoder.spec.checked_on
    assert checked_on.platform == OnnxSession.of(tiny_encoder.folder).platform
    assert tuple(checked_on.canaries) == TEXTS
    np.testing.assert_array_equal(
        checked_on.vectors(tiny_encoder.dimension), tiny_encoder.encode_documents(list(TEXTS))
    )


def test_the_same_vectors_on_another_cpu_are_silent(moved: Callable[..., Path]) -> None:
    assert Encoder.load(moved(noise=0.001), EncoderSettings(on_other_cpu="error")).encode_documents(["a"]).any()


def test_own_kernels_must_give_the_same_bits_on_another_cpu(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model(), tmp_path / "model")
    spec = read_model_folder(folder)
    assert spec.checked_on.exact == spec.checked_on.platform.has_own_kernels
    there = replace(spec.checked_on.platform, cpu="another CPU")
    write_manifest(folder, replace(spec, checked_on=replace(spec.checked_on, platform=there)))
    Encoder.load(folder, EncoderSettings(on_other_cpu="error"))


@needs_library
def test_own_kernels_with_other_bits_on_another_cpu_are_refused(moved: Callable[..., Path]) -> None:
    folder = moved(noise=1e-6, exact=True, platform=Platform("another CPU", "dotprod", ONNXRUNTIME_VERSION))
    with pytest.raises(ModelFolderError, match="expected the same bits, which own kernels give on every CPU"):
        Encoder.load(folder, EncoderSettings(on_other_cpu="error"))


def test_other_vectors_on_another_cpu_warn(moved: Callable[..., Path]) -> None:
    folder = moved(noise=0.05)
    here = OnnxSession.of(folder).platform.cpu
    with pytest.warns(
        OtherCpuWarning, match=rf"checked on another CPU, onnxruntime .*, this is {here}.*expected 0\.998 or more"
    ) as caught:
        encoder = Encoder.load(folder)
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(OtherCpuWarning):
        pickle.loads(pickle.dumps(encoder))  # noqa: S301 - the receiving machine may be another one


def test_other_vectors_on_another_cpu_are_refused_when_asked(moved: Callable[..., Path]) -> None:
    with pytest.raises(ModelFolderError, match="use a folder exported here or with --precision fp32"):
        Encoder.load(moved(noise=0.05), EncoderSettings(on_other_cpu="error"))


def test_other_vectors_on_another_cpu_are_accepted_when_asked(moved: Callable[..., Path]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Encoder.load(moved(noise=0.05), EncoderSettings(on_other_cpu="ignore"))


def test_the_same_platform_is_not_checked_again(moved: Callable[..., Path], tiny_model: Callable[..., Path]) -> None:
    here = OnnxSession.of(tiny_model()).platform
    Encoder.load(moved(noise=0.05, platform=here), EncoderSettings(on_other_cpu="error"))


def test_another_release_of_onnxruntime_is_checked_too(
    moved: Callable[..., Path], tiny_model: Callable[..., Path]
) -> None:
    earlier = replace(OnnxSession.of(tiny_model()).platform, onnxruntime="1.0.0")
    with pytest.raises(ModelFolderError, match=r"onnxruntime 1\.0\.0, this is .*; install onnxruntime 1\.0\.0, use"):
        Encoder.load(moved(noise=0.05, platform=earlier), EncoderSettings(on_other_cpu="error"))


def test_canaries_longer_than_the_limit_are_no_error(tiny_checkpoint: Path, tmp_path: Path) -> None:
    export(str(tiny_checkpoint), tmp_path / "model", ExportSettings(precision="fp32", max_tokens=9))
    path = tmp_path / "model" / "embed_plugin.json"
    manifest = json.loads(path.read_text())
    manifest["checked_on"]["platform"]["cpu"] = "another CPU"
    path.write_text(json.dumps(manifest))
    encoder = Encoder.load(tmp_path / "model", EncoderSettings(on_long="error", on_other_cpu="error"))
    assert encoder.runtime.cut_texts == 0
