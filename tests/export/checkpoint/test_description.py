"""A checkpoint's files are read once, and a fault in one is raised only by the step that needs it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from conftest import add_dense, make_checkpoint
from embed_plugin import SourceError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.description import read_description

if TYPE_CHECKING:
    from pathlib import Path

WRITTEN = {
    "config_sentence_transformers.json": {"prompts": {"query": "q: "}},
    "sentence_bert_config.json": {"max_seq_length": 64},
    "special_tokens_map.json": {"eos_token": "!"},
    "tokenizer_config.json": {"add_eos_token": True},
}
OPENED = """
import sys
from pathlib import Path
from embed_plugin.export import ExportSettings, export

checkpoint, opened = Path(sys.argv[1]), []
sys.addaudithook(lambda event, args: event == "open" and str(args[0]).endswith(".json") and opened.append(args[0]))
export(str(checkpoint), Path(sys.argv[2]), ExportSettings(min_cosine=0.9, dimension=8))
inside = [Path(path) for path in opened if Path(path).is_relative_to(checkpoint) and Path(path).is_file()]
print("\\n".join(str(path.relative_to(checkpoint)) for path in inside))
"""


def test_an_export_opens_each_json_file_once(tmp_path: Path) -> None:
    checkpoint = add_dense(make_checkpoint(tmp_path / "checkpoint", is_matryoshka=True), 32, 16)
    for name, content in WRITTEN.items():
        (checkpoint / name).write_text(json.dumps(content))
    command = [sys.executable, "-c", OPENED, str(checkpoint), str(tmp_path / "model")]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    files = [path.relative_to(checkpoint).as_posix() for path in checkpoint.rglob("*.json")]
    assert len(files) == len(WRITTEN) + 5
    assert Counter(found.stdout.split()) == Counter(files)


def test_a_damaged_file_that_no_step_needs_does_no_harm(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    (checkpoint / "special_tokens_map.json").write_text("{")
    export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32"))


def test_a_damaged_file_is_named_by_the_step_that_needs_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[]")
    (tmp_path / "tokenizer_config.json").write_text("{")
    described = read_description(tmp_path)
    with pytest.raises(SourceError, match=r"config\.json holds a list, expected a JSON object"):
        described.config.object()
    with pytest.raises(SourceError, match=r"tokenizer_config\.json is not readable JSON .*fetch the checkpoint again"):
        described.tokenizer_settings()
    (tmp_path / "model.safetensors.index.json").write_text("{")
    with pytest.raises(SourceError, match=r"index\.json is not readable JSON .*fetch the checkpoint again"):
        read_description(tmp_path).weight_files()


STEPS = [("0_Transformer", "Transformer"), ("1_Pooling", "Pooling")]


def split_checkpoint(folder: Path, path: str) -> Path:
    """A checkpoint whose first step is in a folder of its own, as sentence-transformers saved it before 2.0."""
    folder.mkdir()
    make_checkpoint(folder / "0_Transformer", pooling="cls")
    (folder / "0_Transformer" / "1_Pooling").rename(folder / "1_Pooling")
    modules = [{"path": path, "type": f"sentence_transformers.models.{STEPS[0][1]}"}]
    modules += [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in STEPS[1:]]
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def test_a_first_step_in_a_folder_of_its_own(tmp_path: Path) -> None:
    old, new = split_checkpoint(tmp_path / "old", "0_Transformer"), make_checkpoint(tmp_path / "new", pooling="cls")
    (old / "0_Transformer" / "sentence_bert_config.json").write_text('{"max_seq_length": 99}')
    settings = ExportSettings(precision="fp32")
    specs = [export(str(folder), tmp_path / f"{folder.name}-model", settings) for folder in (old, new)]
    assert specs[0].files == specs[1].files
    assert [spec.pooling for spec in specs] == ["cls", "cls"]
    assert [spec.max_tokens for spec in specs] == [99, 512]


@pytest.mark.parametrize("path", ["../0_Transformer", "/0_Transformer", "a/../../b", "..\\x", "C:x"])
def test_a_step_outside_the_checkpoint_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(SourceError, match="expected one inside the checkpoint"):
        read_description(split_checkpoint(tmp_path / "old", path))
