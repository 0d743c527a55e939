from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from embed_plugin.ingest import Record, RecordReader, Rejected
from support.documents import notebook

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path, content: bytes) -> Record | Rejected:
    (folder / "a.ipynb").write_bytes(content)
    (found,) = RecordReader([folder])
    return found


def test_text_and_code_are_read_and_outputs_are_left_out(tmp_path: Path) -> None:
    text = "# Cats\nThey purr.\n\n````python\nprint('```')\n````"
    assert read(tmp_path, notebook()) == Record("a.ipynb", text, syntax="markdown")


def test_a_notebook_of_version_3_is_read(tmp_path: Path) -> None:
    cells = [{"cell_type": "heading", "level": 2, "source": ["Cats"]}, {"cell_type": "code", "input": ["x = 1"]}]
    found = read(tmp_path, json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}).encode())
    assert isinstance(found, Record)
    assert found.text == "## Cats\n\n```\nx = 1\n```"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"cat", "not a notebook, which is JSON"),
        (b"[]", "not a notebook, which is a JSON object"),
        (b"{}", "a notebook without a list of cells"),
        (b'{"a":' * 100_000, "not a notebook, which is JSON"),
        (b"\xff\xfe\x00", "not utf-16-le (byte 0x00)"),
    ],
)
def test_what_is_no_notebook_is_rejected(tmp_path: Path, content: bytes, reason: str) -> None:
    found = read(tmp_path, content)
    assert isinstance(found, Rejected)
    assert f"a.ipynb: {reason}" in found.reason.replace("a.ipynb:1:", "a.ipynb:")
    assert found.source_id == "a.ipynb"
