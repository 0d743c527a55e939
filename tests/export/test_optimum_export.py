"""Exports through optimum: what both exporters know, what is refused, and what reaches nobody."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conftest import MINILM, MINILM_SHA256, VOCABULARY, make_checkpoint
from embed_plugin import Encoder, ExportError, UnknownArchitectureError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.traced.known import OPTIMUM_KNOWS
from support.watched import Watched

pytest.importorskip("optimum", reason="needs the extra dev-optimum, in an environment of its own: make test-optimum")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from optimum.exporters.tasks import TasksManager
    from transformers import CONFIG_MAPPING

    import embed_plugin.export.traced.exporter  # noqa: F401 - only its warnings at import are kept away

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.optimum, pytest.mark.xdist_group("optimum_export")]

OPTIMUM = ExportSettings(precision="fp32", exporter="optimum")
NATIVE = ExportSettings(precision="fp32", exporter="native")
TEXTS = ["the cat", "", "a slow red dog ran to the blue house .", "fire " * 100]


def vectors(folder: Path) -> np.ndarray[Any, Any]:
    return Encoder.load(folder).encode_documents(TEXTS)


@pytest.mark.parametrize("model_type", ["bert", "roberta", "xlm-roberta"])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_both_exporters_agree(tmp_path: Path, model_type: str, pooling: str) -> None:
    checkpoint = make_checkpoint(
        tmp_path / "checkpoint",
        pooling=pooling,
        model_type=model_type,
        vocab_size=len(VOCABULARY),
        max_position_embeddings=90,
    )
    native = export(str(checkpoint), tmp_path / "native", NATIVE)
    traced = export(str(checkpoint), tmp_path / "optimum", OPTIMUM)
    assert (native.max_tokens, native.dimension, native.pooling) == (traced.max_tokens, 32, pooling)
    cosines = np.sum(vectors(tmp_path / "native") * vectors(tmp_path / "optimum"), axis=1)
    assert cosines.min() > 0.99999


@pytest.mark.real_model
def test_both_exporters_agree_on_a_real_model(tmp_path: Path) -> None:
    for settings in (NATIVE, OPTIMUM):
        pinned = ExportSettings(precision="fp32", exporter=settings.exporter, weights_sha256=MINILM_SHA256)
        export(MINILM, tmp_path / settings.exporter, pinned)
    texts = ["The physician examined the child.", "Rates rose again.", "word " * 300, "", "Größe, naïve, 東京"]
    native, traced = (Encoder.load(tmp_path / name).encode_documents(texts) for name in ("native", "optimum"))
    assert np.sum(native * traced, axis=1).min() > 0.99999


def test_auto_takes_optimum_for_what_the_native_one_does_not_know(
    torch_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    spec = export(str(torch_checkpoint("squeezebert")), tmp_path / "model", ExportSettings(precision="fp32"))
    versions = spec.provenance["versions"]
    assert isinstance(versions, dict)
    assert (spec.provenance["exporter"], spec.architecture) == ("optimum", "squeezebert")
    assert {"optimum-onnx", "optimum", "transformers", "torch"} < versions.keys()


def test_the_same_checkpoint_gives_the_same_bytes(torch_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    first, second = (export(str(torch_checkpoint("distilbert")), tmp_path / name, OPTIMUM) for name in "ab")
    assert first.files == second.files


def test_bfloat16_weights_are_widened(torch_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    export(str(torch_checkpoint("mpnet")), tmp_path / "exact", OPTIMUM)
    export(str(torch_checkpoint("mpnet", dtype="bfloat16")), tmp_path / "rounded", OPTIMUM)
    cosines = np.sum(vectors(tmp_path / "exact") * vectors(tmp_path / "rounded"), axis=1)
    assert 0.99 < cosines.min() < 0.999999


def test_both_exporters_widen_bfloat16_alike(torch_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    for settings in (NATIVE, OPTIMUM):
        export(str(torch_checkpoint("bert", dtype="bfloat16")), tmp_path / settings.exporter, settings)
    assert np.sum(vectors(tmp_path / "native") * vectors(tmp_path / "optimum"), axis=1).min() > 0.99999


@pytest.mark.parametrize("model_type", sorted(OPTIMUM_KNOWS))
def test_what_is_sent_to_optimum_is_known_to_it(model_type: str) -> None:
    assert not CONFIG_MAPPING[model_type]().is_encoder_decoder
    tasks = TasksManager.get_supported_tasks_for_model_type(model_type, "onnx", library_name="transformers")
    assert "feature-extraction" in tasks


def test_no_hub_is_asked(
    torch_checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        pytest.fail(f"connected to {arguments}")

    checkpoint = torch_checkpoint("electra")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    export(str(checkpoint), tmp_path / "model", OPTIMUM)


def test_the_command_leaves_nothing_at_home_and_asks_for_nobody(
    torch_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    watched = Watched(tmp_path)
    watched.command("export", str(torch_checkpoint("squeezebert")), "--out", "model", "--precision", "fp32")
    assert (watched.asked, watched.files) == ([], [])


def test_the_terminal_shows_nothing_of_the_packages(torch_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "embed_plugin.cli", "export", str(torch_checkpoint("modernbert"))]
    options = ["--out", str(tmp_path / "model"), "--exporter", "optimum", "--min-cosine", "0.9", "--quiet"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "modernbert" in done.stdout


def test_a_model_that_tracing_changes_is_refused(torch_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"flaubert, 1 tokens: the cosine .* the graph is not this model"):
        export(str(torch_checkpoint("flaubert")), tmp_path / "model", OPTIMUM)
    assert not (tmp_path / "model").exists()


def test_both_exporters_agree_on_disentangled_attention(torch_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    for settings in (NATIVE, OPTIMUM):
        export(str(torch_checkpoint("deberta-v2")), tmp_path / settings.exporter, settings)
    assert np.sum(vectors(tmp_path / "native") * vectors(tmp_path / "optimum"), axis=1).min() > 0.99999


def test_a_model_of_convolutions_has_no_int8(torch_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    checkpoint = str(torch_checkpoint("squeezebert"))
    export(checkpoint, tmp_path / "fp32", OPTIMUM)
    with pytest.raises(ExportError, match=r"no product with a weight .*--precision fp32"):
        export(checkpoint, tmp_path / "int8", ExportSettings(exporter="optimum"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "spline"}, r"'spline' is not known to transformers$"),
        (
            {"model_type": "spline", "auto_map": {"AutoModel": "x.Y"}},
            r"brings code for it \(auto_map\), which is never run",
        ),
        ({"model_type": "canine"}, "'canine' is not known to optimum"),
        ({"model_type": "bart"}, "'bart' has a decoder"),
    ],
)
def test_what_nobody_knows_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    path = checkpoint / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UnknownArchitectureError, match=message):
        export(str(checkpoint), tmp_path / "model")


@pytest.mark.parametrize("model_type", ["albert", "deberta", "distilbert", "electra", "modernbert", "mpnet"])
def test_a_token_beyond_the_table_is_refused(
    torch_checkpoint: Callable[..., Path], tmp_path: Path, model_type: str
) -> None:
    checkpoint = shutil.copytree(torch_checkpoint(model_type), tmp_path / "checkpoint")
    path = checkpoint / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["model"]["vocab"]["<new>"] = len(VOCABULARY)
    path.write_text(json.dumps(tokenizer))
    with pytest.raises(ExportError, match=rf"token '<new>' has the id {len(VOCABULARY)}, .* {len(VOCABULARY)} rows"):
        export(str(checkpoint), tmp_path / "model", OPTIMUM)
