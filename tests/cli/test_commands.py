"""The commands as a user runs them, on real files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embed_plugin import Encoder, OutputError
from embed_plugin.cli.reports.output import write_json
from embed_plugin.cli.vector_files import write_npy
from embed_plugin.cpu.classes import classes_of
from embed_plugin.cpu.features import cpu_family, cpu_flags
from embed_plugin.encode.session import OnnxSession
from embed_plugin.kernels import LIBRARY
from embed_plugin.numbers import to_binary, to_float16, to_int8
from support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt


def run_process(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "embed_plugin.cli", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def test_a_precision_that_went_is_wrong_usage_and_the_choices_are_named(tmp_path: Path) -> None:
    done = run_process("export", tmp_path, "--out", tmp_path / "model", "--precision", "int8-dynamic")
    assert done.returncode == 2
    said = " ".join(done.stderr.replace("│", "").split())
    assert "'int8-dynamic' is not one of 'int8', 'fp32'" in said


def test_export_then_info_then_encode(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    exported = run_process(
        "export", tiny_checkpoint, "--out", model, "--min-cosine", "0.9", "--query-prefix", "query: ", "--quiet"
    )
    assert (exported.returncode, exported.stderr) == (0, "")
    assert "calibration" in exported.stdout
    assert all(re.search(rf"^  {kind} .* texts$", exported.stdout, re.MULTILINE) for kind in ("queries", "long"))
    shown = run_process("info", model)
    assert "query prefix" in shown.stdout
    assert Encoder.load(model).fingerprint in shown.stdout
    assert f"{OnnxSession.of(model).platform}, as this machine is" in shown.stdout
    assert json.loads(run("info", model, "--json", "-").stdout)["dimension"] == 32
    encoded = run_process("encode", model, "--role", "query", stdin="the cat\na dog\n")
    rows = np.array([json.loads(line) for line in encoded.stdout.splitlines()], dtype=np.float32)
    np.testing.assert_array_equal(rows, Encoder.load(model).encode_queries(["the cat", "a dog"]))
    assert [line[:11] for line in encoded.stderr.splitlines()][-1] == "2 texts in "


def test_export_writes_json(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model: list[str | Path] = ["export", tiny_checkpoint, "--out", tmp_path / "model"]
    options = [*model, "--min-cosine", "0.9", "--quiet", "--json"]
    assert "the folder of " in run(*options, tmp_path / "nowhere" / "facts.json").stderr
    facts = json.loads(run(*options, "-").stdout)
    assert facts == {
        "folder": str(tmp_path / "model"),
        **json.loads(run("info", tmp_path / "model", "--json", "-").stdout),
    }
    assert facts["provenance"]["comparison"]["kinds"][0]["kind"] == "queries"


def test_a_folder_that_was_compared_without_kinds_is_shown(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model(), tmp_path / "model")
    manifest = json.loads((folder / "embed_plugin.json").read_text())
    manifest["provenance"]["comparison"] = {"texts": 16, "mean_cosine": 0.9981, "least_cosine": 0.9948}
    manifest["provenance"]["calibration"] = {"origin": "built-in", "texts": 62, "method": "min-max"}
    (folder / "embed_plugin.json").write_text(json.dumps(manifest))
    shown = run("info", folder).stdout
    assert "mean 0.9981, least 0.9948, on 16 texts not calibrated on" in shown
    assert "queries " not in shown
    assert len(Encoder.load(folder).encode_queries(["the cat"])) == 1


def test_info_says_when_this_machine_is_of_another_class(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model(), tmp_path / "model")
    manifest = json.loads((folder / "embed_plugin.json").read_text())
    manifest["checked_on"]["platform"]["cpu"] = "another CPU"
    (folder / "embed_plugin.json").write_text(json.dumps(manifest))
    here = OnnxSession.of(folder).platform
    compared = "must have the same bits" if here.has_own_kernels else "are compared"
    assert f"this machine is {here}, and the canary texts {compared} when" in run("info", folder).stdout


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_info_says_how_this_machine_runs_a_folder(
    tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    folder = tiny_model(precision=precision)
    here = OnnxSession.of(folder).platform
    machine = json.loads(run("info", folder, "--json", "-").stdout)["machine"]
    assert (machine["class"], machine["kernels"]) == (here.cpu, here.kernels)
    assert machine["reason"]
    least = classes_of(cpu_family(), cpu_flags())[0].name
    own = "scalar" if LIBRARY.is_file() and precision == "int8" else "onnxruntime"
    for name, expected in ((least, "onnxruntime"), ("scalar", own)):
        monkeypatch.setenv("EMBED_PLUGIN_INSTRUCTION_SET", name)
        forced = json.loads(run("info", folder, "--json", "-").stdout)["machine"]
        assert (forced["class"], forced["kernels"]) == (least, expected)
        assert forced["reason"].startswith(f"EMBED_PLUGIN_INSTRUCTION_SET asks for {least}; ")


def test_a_class_that_this_cpu_is_not_is_an_error_of_every_command(
    tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBED_PLUGIN_INSTRUCTION_SET", "avx1024")
    for command in ("info", "encode"):
        done = run(command, tiny_model(), stdin="a cat\n")
        assert done.returncode == 1
        assert "EMBED_PLUGIN_INSTRUCTION_SET is 'avx1024'" in done.stderr


@pytest.mark.parametrize(("texts", "warns"), [("the cat\nภาษา\n", False), ("ภาษา\nไทย\n", True)])
def test_encode_says_how_many_tokens_are_unknown(tiny_model: Callable[..., Path], texts: str, *, warns: bool) -> None:
    lines = run("encode", tiny_model(), "--quiet", stdin=texts).stderr.splitlines()
    assert lines[0].endswith("2 of 6 tokens unknown" if warns else "1 of 7 tokens unknown")
    assert [line.split(",")[0] for line in lines[1:]] == [
        "embed-plugin: 33% of the tokens (2 of 6) are unknown to this model's tokenizer"
    ] * warns


@pytest.mark.parametrize("lines", [0, 1, 11])
def test_encode_writes_an_npy_file(tiny_model: Callable[..., Path], tmp_path: Path, lines: int) -> None:
    texts = [f"cat {n}" for n in range(lines)]
    stdin = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    done = run("encode", tiny_model(), "--out", tmp_path / "vectors.npy", stdin=stdin)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "vectors.npy"), Encoder.load(tiny_model()).encode_documents(texts))
    assert [path.name for path in tmp_path.iterdir()] == ["vectors.npy"]


@pytest.mark.parametrize("numbers", ["float32", "float16", "int8", "binary"])
def test_encode_writes_smaller_numbers(tiny_model: Callable[..., Path], tmp_path: Path, numbers: str) -> None:
    vectors = Encoder.load(tiny_model()).encode_documents(["cat 1", "the dog"])
    asked = "encode", tiny_model(), "--quiet", "--numbers", numbers
    assert run(*asked, "--out", tmp_path / "v.npy", stdin="cat 1\nthe dog\n").returncode == 0
    lines = [json.loads(line) for line in run(*asked, stdin="cat 1\nthe dog\n").stdout.splitlines()]
    stored = np.load(tmp_path / "v.npy")
    if numbers == "int8":
        expected = to_int8(vectors)
        np.testing.assert_array_equal(stored["values"], expected.values)
        np.testing.assert_array_equal(stored["scale"], expected.scales)
        assert [line["values"] for line in lines] == expected.values.tolist()
        return
    made: dict[str, npt.NDArray[Any]] = {"float32": vectors, "float16": to_float16(vectors)}
    expected_rows = {**made, "binary": to_binary(vectors)}[numbers]
    np.testing.assert_array_equal(stored, expected_rows)
    assert stored.dtype == expected_rows.dtype
    assert lines == expected_rows.tolist()


def test_encode_cuts_vectors_of_models_that_were_trained_for_it(tiny_model: Callable[..., Path]) -> None:
    done = run("encode", tiny_model(), "--dimension", "8", stdin="a cat\n")
    assert done.returncode == 1
    assert "may be cut: leave dimension out" in done.stderr


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (b"fine\n\xff\xfe\n", "stdin:2: not UTF-8 (byte 0xff)"),
        (b'{"text": "a"}\nnot json\n', "stdin:2: not a JSON object with a field 'text'"),
        (b'{"body": "a"}\n', "--text-field"),
        (b'{"text": 3}\n', "field 'text' holds a int"),
        (b'{"text": "\\ud800"}\n', "lone surrogate"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(
    tiny_model: Callable[..., Path], tmp_path: Path, stdin: bytes, message: str
) -> None:
    done = run("encode", tiny_model(), "--out", tmp_path / "vectors.npy", stdin=stdin)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="choose another --json"):
        write_json({}, str(tmp_path))
    with pytest.raises(OutputError, match="cannot be written"):
        write_npy([], tmp_path / "nowhere" / "vectors.npy", np.dtype(("<f4", 2)))


def test_json_that_cannot_be_written_is_a_clear_error(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    done = run("info", tiny_model(), "--json", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be written (Is a directory)" in done.stderr


def test_a_missing_model_and_wrong_usage_have_their_exit_codes(tmp_path: Path) -> None:
    missing = run("info", tmp_path / "nowhere")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "embed-plugin export SOURCE" in missing.stderr
    assert run("info").returncode == 2
    assert run("encode", tmp_path, "--role", "poem").returncode == 2


@pytest.mark.parametrize("command", ["export", "info", "encode", "evaluate", "ingest", "search", "serve", "cost"])
def test_help_has_an_example(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"embed-plugin {command}" in done.stdout
    assert "Example" in done.stdout


@pytest.mark.parametrize(
    "stdin",
    [
        b'\xef\xbb\xbf{"text": "the cat"}\n{"text": "a mat"}',
        b'\n \r\n{"text": "the cat"}\n\n\xef\xbb\xbf{"text": "a mat"}\n\n',
        b' {"text": "the cat"}\r\r{"text": "a mat"}\r',
        '{"text": "the cat"}\n{"text": "a mat"}\n'.encode("utf-16"),
        b"\xef\xbb\xbfthe cat\r\na mat\r\n",
        b"the cat\ra mat",
    ],
)
def test_encode_reads_lines_whatever_their_marks_and_ends(tiny_model: Callable[..., Path], stdin: bytes) -> None:
    expected = run("encode", tiny_model(), stdin="the cat\na mat\n").stdout
    assert run("encode", tiny_model(), stdin=stdin).stdout == expected
    assert len(expected.splitlines()) == 2


def test_encode_keeps_blank_lines_of_text(tiny_model: Callable[..., Path]) -> None:
    lines = run("encode", tiny_model(), stdin="\nthe cat\n\na\u2028mat\n").stdout.splitlines()
    assert len(lines) == 4
    assert lines[0] == lines[2] != lines[1]
