from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from embed_plugin import InvalidInputError
from embed_plugin.export.int8.calibrate import read_calibration_texts

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [f"the\u2028cat {n}\x0c\x85" for n in range(12)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n\r\n", "\r"])
def test_calibration_texts_are_the_lines_whatever_their_marks_and_ends(tmp_path: Path, encoding: str, end: str) -> None:
    lines = {"a.txt": TEXTS, "a.jsonl": ["", *(json.dumps({"text": text}, ensure_ascii=False) for text in TEXTS)]}
    for name, content in lines.items():
        (tmp_path / name).write_bytes(end.join(content).encode(encoding))
        found = read_calibration_texts(tmp_path / name)
        assert sorted(found.calibration + found.held_out) == sorted(TEXTS)


def test_files_of_a_folder_are_read_without_their_marks(tmp_path: Path) -> None:
    for n in range(12):
        (tmp_path / f"{n}.md").write_bytes(f"cat {n}\r\nsat".encode("utf-8-sig"))
    found = read_calibration_texts(tmp_path)
    assert "cat 0\nsat" in found.held_out


def test_what_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\ncaf\xe9\n")
    with pytest.raises(InvalidInputError, match=r"a\.txt:2: not UTF-8 \(byte 0xe9\)"):
        read_calibration_texts(tmp_path / "a.txt")
