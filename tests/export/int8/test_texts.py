from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from conftest import tiny_tokenizer
from embed_plugin import InvalidInputError
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.export.int8.number_texts import number_texts
from embed_plugin.export.int8.texts import (
    CALIBRATED,
    CalibrationTexts,
    leave_out_unknown,
    read_calibration_texts,
)

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = ["7", "8/24/83", "EUR 1.50", "18792", "v14.13.13-beta.2"]
TEXTS = [f"the\u2028cat {n}\x0c\x85" for n in range(12)]


@pytest.fixture
def tokenizer(tmp_path: Path) -> TextTokenizer:
    tiny_tokenizer().save(str(tmp_path / "tokenizer.json"))
    return TextTokenizer(tmp_path / "tokenizer.json", max_tokens=64)


def yours(texts: CalibrationTexts) -> list[str]:
    return texts.calibration["yours"] + texts.held_out["yours"]


def test_every_built_in_kind_is_calibrated_on_and_held_out() -> None:
    found = read_calibration_texts(None)
    assert {kind: len(texts) for kind, texts in found.calibration.items()} == CALIBRATED
    assert sum(CALIBRATED.values()) == 128
    assert found.held_out.keys() == found.calibration.keys()
    assert all(len(texts) >= 20 for texts in found.held_out.values())
    held_out = [text for texts in found.held_out.values() for text in texts]
    assert len({*held_out, *found.calibrated_on}) == len(held_out) + 128


def test_numbers_are_the_same_on_every_machine() -> None:
    texts = number_texts(18)
    assert texts[:5] == NUMBERS
    assert number_texts(96)[:18] == texts
    assert all(any(character.isdigit() for character in text) for text in texts)


def test_own_texts_are_a_kind_beside_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(f"cat {n}\n" for n in range(1000)))
    found = read_calibration_texts(tmp_path / "a.txt")
    assert found.origin == "a.txt"
    assert len(found.calibrated_on) == 128
    assert {kind: len(texts) for kind, texts in found.calibration.items()} == {
        "yours": 64,
        **{kind: count // 2 for kind, count in CALIBRATED.items()},
    }
    assert len(found.held_out["yours"]) == 192
    assert found.held_out["yours"][-1] == "cat 996"


def test_of_few_own_texts_every_fifth_is_held_out(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(f"cat {n}\n" for n in range(10)))
    found = read_calibration_texts(tmp_path / "a.txt")
    assert (len(found.calibration["yours"]), len(found.held_out["yours"])) == (8, 2)


def test_texts_of_unknown_tokens_are_left_out_and_counted(tokenizer: TextTokenizer) -> None:
    texts = CalibrationTexts(
        "built-in",
        {"queries": ["the cat", "ภาษา ไทย"], "scripts": ["ภาษา"]},
        {"queries": ["a dog", "the cat sat on the mat ภาษา"], "scripts": ["ไทย", "ภาษา"]},
    )
    found = leave_out_unknown(texts, tokenizer)
    assert found.calibration == {"queries": ["the cat"]}
    assert found.held_out == {"queries": ["a dog", "the cat sat on the mat ภาษา"]}
    assert found.unknown == 4


def test_own_texts_that_the_tokenizer_does_not_know_are_refused(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    (tmp_path / "thai.txt").write_text("".join(f"ภาษา ไทย {n}\n" for n in range(12)), encoding="utf-8")
    with pytest.raises(
        InvalidInputError,
        match=r"thai\.txt: 30% or more of the tokens are unknown .* take a model of the texts' language",
    ):
        leave_out_unknown(read_calibration_texts(tmp_path / "thai.txt"), tokenizer)
    with pytest.raises(InvalidInputError, match=r"knows none of the built-in texts: calibrate on .* \(--calibration\)"):
        leave_out_unknown(CalibrationTexts("built-in", {"words": ["ภาษา"]}, {"words": ["a cat"]}), tokenizer)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n\r\n", "\r"])
def test_calibration_texts_are_the_lines_whatever_their_marks_and_ends(tmp_path: Path, encoding: str, end: str) -> None:
    lines = {"a.txt": TEXTS, "a.jsonl": ["", *(json.dumps({"text": text}, ensure_ascii=False) for text in TEXTS)]}
    for name, content in lines.items():
        (tmp_path / name).write_bytes(end.join(content).encode(encoding))
        assert sorted(yours(read_calibration_texts(tmp_path / name))) == sorted(TEXTS)


def test_files_of_a_folder_are_read_without_their_marks(tmp_path: Path) -> None:
    for n in range(12):
        (tmp_path / f"{n}.md").write_bytes(f"cat {n}\r\nsat".encode("utf-8-sig"))
    assert "cat 0\nsat" in yours(read_calibration_texts(tmp_path))


def test_what_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\ncaf\xe9\n")
    with pytest.raises(InvalidInputError, match=r"a\.txt:2: not UTF-8 \(byte 0xe9\)"):
        read_calibration_texts(tmp_path / "a.txt")
