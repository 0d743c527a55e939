from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file, save_file

from conftest import make_checkpoint
from embed_plugin import (
    Encoder,
    ExportError,
    InvalidInputError,
    QualityFloorError,
    RecordError,
    SourceError,
    UnknownArchitectureError,
)
from embed_plugin.cli.reports.model import facts_of
from embed_plugin.export import ExportSettings, export
from support.processes import killed_on_failure

if TYPE_CHECKING:
    from collections.abc import Callable

FP32 = ExportSettings(precision="fp32")
TEXTS = ["the cat sat on the mat", "a dog", "read and write the file line of text"]


def test_the_same_checkpoint_gives_the_same_bytes(tiny_checkpoint: Path, tmp_path: Path) -> None:
    first, second = (export(str(tiny_checkpoint), tmp_path / name, ExportSettings(min_cosine=0.9)) for name in "ab")
    assert first == second


def test_a_checkpoint_made_of_links_is_exported(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "snapshot" / "1_Pooling").mkdir(parents=True)
    for index, path in enumerate(path for path in tiny_checkpoint.rglob("*") if path.is_file()):
        shutil.copy(path, tmp_path / f"blob{index}")
        (tmp_path / "snapshot" / path.relative_to(tiny_checkpoint)).symlink_to(tmp_path / f"blob{index}")
    plain, linked = (
        export(str(at), tmp_path / f"{at.name}-model", FP32) for at in (tiny_checkpoint, tmp_path / "snapshot")
    )
    assert plain.files == linked.files


def test_int8_stays_near_fp32_and_is_smaller(tiny_model: Callable[..., Path]) -> None:
    folders = [tiny_model(precision=precision) for precision in ("int8", "fp32")]
    quantised, exact = (Encoder.load(folder).encode_documents(TEXTS) for folder in folders)
    assert np.sum(quantised * exact, axis=1).min() > 0.999
    assert (quantised != exact).any()
    int8_size, fp32_size = (
        sum(len(tensor.raw_data) for tensor in onnx.load(folder / "model.onnx").graph.initializer) for folder in folders
    )
    assert int8_size < 0.75 * fp32_size


def test_the_manifest_says_what_was_done(tiny_model: Callable[..., Path]) -> None:
    manifest = json.loads((tiny_model() / "embed_plugin.json").read_text())
    assert manifest["provenance"]["calibration"]["origin"] == "built-in"
    comparison = manifest["provenance"]["comparison"]
    assert comparison["texts"] == sum(each["texts"] for each in comparison["kinds"]) > 10
    assert {"queries", "short", "long", "words"} <= {each["kind"] for each in comparison["kinds"]}
    assert comparison["kinds"][0].keys() == {"kind", "texts", "mean_cosine", "quantile_1", "least_cosine"}
    assert manifest["query_prefix"] == "query: "
    assert set(manifest["files"]) == {"model.onnx", "model.onnx.data", "model.kernels-2.onnx", "tokenizer.json"}


def test_own_text_calibrates(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": f"the cat {n}"}) + "\n" for n in range(20)))
    settings = ExportSettings(calibration=tmp_path / "texts.jsonl", min_cosine=0.9)
    spec = export(str(tiny_checkpoint), tmp_path / "model", settings)
    calibration = spec.provenance["calibration"]
    assert isinstance(calibration, dict)
    assert calibration["origin"] == "texts.jsonl"
    assert calibration["kinds"].items() > {"yours": 16, "queries": 8}.items()
    assert calibration["texts"] == sum(calibration["kinds"].values())
    comparison = spec.provenance["comparison"]
    assert isinstance(comparison, dict)
    assert (comparison["kinds"][0]["kind"], comparison["kinds"][0]["texts"]) == ("yours", 4)


def test_a_tokenizer_that_knows_no_built_in_text_needs_own_ones_for_int8_alone(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    tokenizer = json.loads((checkpoint / "tokenizer.json").read_text())
    vocabulary = {token: number for token, number in tokenizer["model"]["vocab"].items() if token[0] == "["}
    tokenizer["model"]["vocab"] = {**vocabulary, "ภ": len(vocabulary)}
    (checkpoint / "tokenizer.json").write_text(json.dumps(tokenizer))
    (tmp_path / "thai.txt").write_text("".join(f"{'ภ ' * n}\n" for n in range(1, 30)))
    with pytest.raises(InvalidInputError, match=r"knows none of the built-in texts: .* \(--calibration\)"):
        export(str(checkpoint), tmp_path / "model")
    assert export(str(checkpoint), tmp_path / "fp32", FP32).precision == "fp32"
    spec = export(str(checkpoint), tmp_path / "int8", ExportSettings(min_cosine=0.9, calibration=tmp_path / "thai.txt"))
    comparison = spec.provenance["comparison"]
    assert isinstance(comparison, dict)
    assert [each["kind"] for each in comparison["kinds"]] == ["yours"]


def test_too_few_calibration_texts_are_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("one\ntwo\ntwo\n\n")
    with pytest.raises(InvalidInputError, match=r"holds 2 different texts; calibration needs at least 10"):
        export(str(tiny_checkpoint), tmp_path / "model", ExportSettings(calibration=tmp_path / "few.txt"))


def test_below_the_floor_nothing_is_written(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(QualityFloorError, match=r"mean cosine to fp32 is .* below the floor of 1\.01"):
        export(str(tiny_checkpoint), tmp_path / "out" / "model", ExportSettings(min_cosine=1.01))
    assert list((tmp_path / "out").iterdir()) == []


def test_the_gate_puts_its_figures_into_the_manifest(tiny_checkpoint: Path, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    settings = ExportSettings(min_cosine=0.9, gate=beir_folder(tmp_path / "cats"), max_drop=100)
    spec = export(str(tiny_checkpoint), tmp_path / "model", settings, on_progress=lambda *step: steps.append(step))
    figures = spec.provenance["gate"]
    assert isinstance(figures, dict)
    assert (figures["dataset"], figures["documents"], figures["queries"]) == ("cats", 6, 2)
    assert figures["metrics"]["ndcg@10"].keys() == {"fp32", "quantised", "drop_percent", "low", "high"}
    assert figures["agreement_at_10"] == {"value": 1, "interval": {"low": 1, "high": 1}}  # six documents: all are found
    assert 0 <= figures["first_agreement"]["interval"]["low"] <= figures["first_agreement"]["value"] <= 1
    assert steps[-1] == ("gate", 12, 12)
    comparison = spec.provenance["comparison"]
    assert isinstance(comparison, dict)
    gate_kinds = [(each["kind"], each["texts"]) for each in comparison["kinds"][-2:]]
    assert gate_kinds == [("gate queries", 2), ("gate documents", 6)]
    assert Encoder.load(tmp_path / "model").spec == spec
    assert "nDCG@10 on cats (2 queries)" in str(facts_of(spec)["gate"])
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"embed_plugin.json", *spec.files}


def test_a_model_that_fails_the_gate_is_not_written(tiny_checkpoint: Path, tmp_path: Path) -> None:
    settings = ExportSettings(min_cosine=0.9, gate=beir_folder(tmp_path / "cats"), max_drop=-5)
    with pytest.raises(QualityFloorError, match=r"ndcg@10 is \d+\.\d\d, .* below the baseline's .* -5 % is allowed"):
        export(str(tiny_checkpoint), tmp_path / "model", settings)
    assert [path.name for path in tmp_path.iterdir()] == ["cats"]


def test_a_gate_that_cannot_be_read_costs_no_export(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="expected a BEIR folder"):
        export("not/fetched", tmp_path / "model", ExportSettings(gate=tmp_path / "nothing"))


def test_a_gate_needs_something_to_compare_with_fp32(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="a gate compares with fp32"):
        export("not/fetched", tmp_path / "model", ExportSettings(precision="fp32", gate=beir_folder(tmp_path / "cats")))


def beir_folder(folder: Path) -> Path:
    """A dataset of six documents and two queries."""
    (folder / "qrels").mkdir(parents=True)
    texts = ["the cat sat on the mat", "a dog ran fast", "read the file", "water and fire", "open house", "red tree"]
    corpus = [{"_id": f"d{n}", "title": "", "text": text} for n, text in enumerate(texts)]
    queries = [{"_id": "q1", "text": "cat on mat"}, {"_id": "q2", "text": "read a line of the file"}]
    for name, records in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td0\t1\nq2\td2\t1\n")
    return folder


def test_an_existing_model_is_replaced_only_when_asked(tiny_checkpoint: Path, tmp_path: Path) -> None:
    first = export(str(tiny_checkpoint), tmp_path / "model", FP32)
    with pytest.raises(ExportError, match="--overwrite"):
        export(str(tiny_checkpoint), tmp_path / "model", FP32)
    again = export(
        str(tiny_checkpoint),
        tmp_path / "model",
        ExportSettings(precision="fp32", max_tokens=9, overwrite=True),
    )
    assert (first.max_tokens, again.max_tokens) == (512, 9)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_with_something_else_in_it_is_left_alone(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ExportError, match="is not a model folder"):
        export(str(tiny_checkpoint), tmp_path, ExportSettings(overwrite=True))
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_killed_export_leaves_no_model_and_the_next_one_cleans_up(tiny_checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from embed_plugin.export import export\n"
        "def stay(step, done, total):\n"
        "    if step == 'calibrate':\n"
        "        print(step, flush=True)\n"
        "        time.sleep(600)\n"
        "export(sys.argv[1], Path(sys.argv[2]), on_progress=stay)\n"
    )
    command = [sys.executable, "-c", program, str(tiny_checkpoint), str(out)]
    with killed_on_failure(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "calibrate\n"
        process.kill()
    assert not out.exists()
    assert list(tmp_path.glob(".model.*.partial"))
    export(str(tiny_checkpoint), out, FP32)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_a_clear_error(tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def onto_full_disk(model: object, path: Path) -> None:
        path.symlink_to("/dev/full")
        with path.open("wb") as file:
            file.write(model.SerializeToString())  # type: ignore[attr-defined]

    monkeypatch.setattr("embed_plugin.export.run.save_graph", onto_full_disk)
    with pytest.raises(ExportError, match=r"cannot be written .*No space left"):
        export(str(tiny_checkpoint), tmp_path / "model", FP32)
    assert list(tmp_path.iterdir()) == []


def test_weights_lie_beside_the_graph_and_can_be_read_by_whoever_reads_it(tiny_model: Callable[..., Path]) -> None:
    graph, weights = (tiny_model(precision="fp32") / name for name in ("model.onnx", "model.onnx.data"))
    assert graph.stat().st_mode == weights.stat().st_mode
    inside = onnx.load(graph, load_external_data=False).graph.initializer
    assert max(len(tensor.raw_data) for tensor in inside) < 16_384


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"model_type": "squeezebert"},
            r"'squeezebert' is not known .* pip install 'embed-plugin\[optimum\]'",
        ),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key'"),
        ({"hidden_act": "mish"}, "activation 'mish'"),
    ],
)
def test_an_unknown_architecture_names_the_other_exporter(tmp_path: Path, config: dict[str, str], message: str) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    path = checkpoint / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
    with pytest.raises(UnknownArchitectureError, match=message):
        export(str(checkpoint), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_other_modules_and_poolings_are_refused(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    (checkpoint / "1_Pooling" / "config.json").write_text('{"pooling_mode_weightedmean_tokens": true}')
    with pytest.raises(ExportError, match=r"pooling_mode_weightedmean_tokens.*by cls, mean, max or lasttoken"):
        export(str(checkpoint), tmp_path / "model")
    (checkpoint / "modules.json").write_text('[{"type": "sentence_transformers.models.LSTM", "path": "2_LSTM"}]')
    with pytest.raises(ExportError, match="lists LSTM"):
        export(str(checkpoint), tmp_path / "model")


@pytest.mark.parametrize("content", ["{}x", '{"a": 1}', "3", '[{"type": "Pooling"}]', '["Pooling"]'])
def test_modules_that_are_no_modules_are_refused_by_name(tmp_path: Path, content: str) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    (checkpoint / "modules.json").write_text(content)
    with pytest.raises(SourceError, match=r"modules\.json is"):
        export(str(checkpoint), tmp_path / "model")


def test_weights_with_nan_are_refused(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    weights = load_file(checkpoint / "model.safetensors")
    weights["encoder.layer.1.output.dense.bias"][3] = np.nan
    save_file(weights, checkpoint / "model.safetensors")
    with pytest.raises(ExportError, match=r"encoder\.layer\.1\.output\.dense\.bias holds NaN"):
        export(str(checkpoint), tmp_path / "model")


def test_the_limit_comes_from_the_checkpoint_not_from_the_tokenizer(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    (checkpoint / "sentence_bert_config.json").write_text('{"max_seq_length": 20}')
    assert export(str(checkpoint), tmp_path / "a", FP32).max_tokens == 20
    assert export(str(checkpoint), tmp_path / "b", ExportSettings(precision="fp32", max_tokens=300)).max_tokens == 300
    with pytest.raises(ExportError, match="takes 3 to 512"):
        export(str(checkpoint), tmp_path / "c", ExportSettings(max_tokens=513))
