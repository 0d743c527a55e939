from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import OutputError
from embed_plugin.evaluate import evaluate_retrieval, read_retrieval_dataset
from embed_plugin.evaluate.known_items import Question, StoredText, save_questions
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [StoredText(f"id{number}", "r\x00\t", number, f"text {number}\u2028\nend") for number in range(12)]
QUESTIONS = [
    Question("fragment", TEXTS[3].text, "r\x00\t", ("id3",)),
    Question("terms", "elsewhere", "r\x00\t", ("id4", "id5")),
]


def test_a_saved_folder_is_a_dataset(tmp_path: Path) -> None:
    save_questions(tmp_path / "new" / "folder", QUESTIONS, [*TEXTS, StoredText("blank", "b", 0, " ")])
    dataset = read_retrieval_dataset(tmp_path / "new" / "folder")
    assert dataset.qrels == {"q1": {"id3": 1}, "q2": {"id4": 1, "id5": 1}}
    assert [document.text for document in dataset.documents()] == [text.text for text in TEXTS]
    assert evaluate_retrieval(FakeEncoder(), dataset).per_query["q1"]["mrr@10"] == 1


def test_a_folder_with_files_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    for path in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(OutputError, match="is there already"):
            save_questions(path, QUESTIONS, TEXTS)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/questions cannot be written \(Not a directory\)"):
        save_questions(tmp_path / "file" / "questions", QUESTIONS, TEXTS)
