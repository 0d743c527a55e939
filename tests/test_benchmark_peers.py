"""The peers of the benchmark whose models it writes itself: their files are right, and every one of them runs.

What needs a peer's own package runs in `.venv-peers`, and is skipped where that is not set up.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conftest import tiny_tokenizer
from contenders import OPENVINO, OURS
from lib.family_shapes import FAMILY_SHAPES, UnknownFamilyError, make_family_checkpoint
from lib.formats.fte_file import ENTRY, HEADER, MAGIC, write_fte
from lib.large_shapes import LARGE_SHAPES, LargeShape, random_decoder_weights
from lib.shape_report import shape_report
from lib.token_batches import Tokeniser, fill_batches
from sections.family_speed import speed_report
from sections.shapes import NOT_NATIVE, SHAPED, ShapeRun, measure_shape

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers" / "bin" / "python"
SMALL = {
    "num_hidden_layers": 2,
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def has(package: str) -> bool:
    """True if the peers' environment is there and has a package."""
    command = [str(PEERS), "-c", f"import importlib.util as u; raise SystemExit(u.find_spec({package!r}) is None)"]
    return PEERS.exists() and subprocess.run(command, check=False).returncode == 0


def test_batches_hold_at_most_the_budget_and_the_texts() -> None:
    assert fill_batches([3, 3, 3, 9, 1, 1], 6, 10) == [[0, 1], [2], [3], [4, 5]]
    assert fill_batches([1, 1, 1], 100, 2) == [[0, 1], [2]]
    assert fill_batches([], 6, 10) == []


def test_token_ids_end_at_the_checkpoints_limit(tmp_path: Path) -> None:
    tiny_tokenizer().save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 5}))
    assert [len(ids) for ids in Tokeniser(tmp_path).ids(["the cat sat on a mat", "the cat"])] == [5, 4]


def test_a_decoders_weights_have_its_shape() -> None:
    config = {**LARGE_SHAPES["qwen3-0.6b"].config, **SMALL, "vocab_size": 10}
    weights = random_decoder_weights(config)
    assert weights["layers.1.self_attn.k_proj.weight"].shape == (2 * 128, 256)
    assert weights["layers.0.self_attn.q_norm.weight"].shape == (128,)
    assert len(weights) == 2 + 2 * 11


def test_what_the_exporter_writes_is_read_from_its_registry() -> None:
    assert LARGE_SHAPES["bge-m3"].is_native
    unknown = LargeShape("x", "x", "cls", 512, {"model_type": "of nobody"})
    assert not unknown.is_native


def test_a_model_of_another_shape_is_refused_for_fasttextembed(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="compiled for bge-small alone"):
        write_fte(tiny_checkpoint, tmp_path)


def test_the_report_has_ratios_reasons_and_memory() -> None:
    each = {"failed": None, "load_seconds": 1.5, "import_seconds": 0.5, "loaded_bytes": 2**30, "peak_bytes": None}
    contenders = {
        OURS: {"label": "ours", **each},
        "peer": {"label": "peer", **each},
        "gone": {"label": "gone", "failed": "a | b"},
    }
    point = {"texts": 10, "seconds": {OURS: [1.0, 2.0], "peer": [2.0, 5.0]}, "settings": {}}
    results = {
        "machine": {"cpu": "a CPU", "threads": 2, "system": "Linux", "date": "2026-01-01"},
        "rounds": 2,
        "shapes": {"s": {"label": "a shape", "lengths": {"16": point}, "contenders": contenders}},
    }
    page = shape_report(results)
    assert "| ours | 7.50 (5.00-10.0) |" in page
    assert "| peer | 3.50 (2.00-5.00), 2.25 x |" in page
    assert "| peer | 1.50 | 0.50 | 1024 | - |" in page
    assert "| gone | a / b |" in page


def test_every_family_that_is_timed_is_written_natively() -> None:
    assert all(shape.is_native for shape in FAMILY_SHAPES.values())


def test_the_speed_of_families_is_beside_torch_and_the_best_backend() -> None:
    seconds = {OURS: [1.0, 1.0], "st-torch": [4.0, 4.0], "st-onnx": [2.5, 2.5]}
    contenders = {
        name: {"label": name, "failed": None, "peak_bytes": size * 2**20}
        for name, size in ((OURS, 90), ("st-torch", 500), ("st-onnx", 300))
    }
    contenders["st-openvino"] = {"label": "OpenVINO", "failed": "a | b" + 300 * "c", "peak_bytes": None}
    bert = {"lengths": {"128": {"texts": 10, "seconds": seconds}}, "contenders": contenders}
    page = speed_report({"bert": bert, "of nobody": {"not_made": "unknown"}})
    assert "| bert | 128 | 10.0 | 2.50 | 4.00 | ONNX fp32 | 4.00 | 2.50 | 90 | 500 | 300 |" in page
    assert "| of nobody | all | unknown |" in page
    assert "| bert | OpenVINO | a / bcc" in page
    assert max(len(line) for line in page.splitlines()) < 300


@pytest.mark.skipif(not has("transformers"), reason="transformers is in .venv-peers, which `make bench` sets up")
def test_a_family_that_the_peers_do_not_know_is_left_out_with_the_reason(tmp_path: Path) -> None:
    unknown = LargeShape("x", "x", "mean", 512, {"model_type": "of_nobody"})
    with pytest.raises(UnknownFamilyError, match=r"Unrecognized model identifier: of_nobody$"):
        make_family_checkpoint(unknown, tmp_path / "checkpoint", str(PEERS))


@pytest.mark.skipif(not has("fasttextembed"), reason="fasttextembed is in .venv-peers, which `make bench` sets up")
def test_fasttextembed_has_the_vectors_of_the_checkpoint(tmp_path: Path) -> None:
    from lib.checkpoints import BGE, make_checkpoint  # noqa: PLC0415

    try:
        model = make_checkpoint(BGE, tmp_path)
    except Exception as error:  # noqa: BLE001
        pytest.skip(f"all-MiniLM-L6-v2 cannot be fetched: {error}")
    write_fte(model.folder, tmp_path)
    with (tmp_path / "model.fte").open("rb") as file:
        header = HEADER.unpack(file.read(HEADER.size))
        file.seek(header[0])
        first = ENTRY.unpack(file.read(ENTRY.size))
    assert header[2] == MAGIC
    assert first[0] % 64 == 0


@pytest.mark.skipif(not has("llama_cpp"), reason="llama-cpp-python is in .venv-peers, which `make bench` sets up")
@pytest.mark.parametrize("name", LARGE_SHAPES)
def test_every_contender_runs_every_architecture(
    name: str, tmp_path: Path, small_shape: Callable[[str], LargeShape]
) -> None:
    shape, logs = small_shape(name), tmp_path / "logs"
    logs.mkdir()
    words = ["the cat sat on a mat and looked at the red house"] * 50
    run = ShapeRun(list(SHAPED.values()), (sys.executable, str(PEERS)), words, [8, 16], 32, 1, 1, logs)
    found = measure_shape(run, shape, tmp_path)
    failed = {name: each["failed"] for name, each in found["contenders"].items() if each["failed"]}
    assert failed == ({} if shape.is_native else dict.fromkeys((OURS, "embed-plugin-fp32"), NOT_NATIVE))
    assert found["lengths"]["16"]["seconds"][OPENVINO]
    assert np.all([each["peak_bytes"] > 0 for each in found["contenders"].values() if not each["failed"]])


@pytest.fixture
def small_shape() -> Callable[[str], LargeShape]:
    def make(name: str) -> LargeShape:
        shape = LARGE_SHAPES[name]
        return replace(shape, config={**shape.config, **SMALL})

    return make
