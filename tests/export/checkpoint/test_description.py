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
    with pytest.raises(SourceError, match=r"index\.json is not readable JSON \(.*No such file"):
        described.weight_files()
