from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.ingest import ReaderSettings, Record, RecordReader
from embed_plugin.ingest.read.left_out.clean import clean

if TYPE_CHECKING:
    from pathlib import Path

CONTENTS = "* [Install](#install)\n  - [Use](#use)\n1. [`More`](#more)\n"
IMAGE = "![x](data:image/png;base64," + "Aa1+" * 30 + ")\n"
PARTS = st.sampled_from(["---\n", "a: 1\n", "# A\n", CONTENTS, IMAGE, "text\n", "\n"])


def test_a_table_of_contents_is_left_out_unless_the_page_is_nothing_else() -> None:
    assert clean(f"# A\n\n{CONTENTS}\ntext", "markdown").text == "# A\n\n\n\ntext"
    assert clean(f"# A\n\n{CONTENTS}\n[b](#b)\n", "markdown").text.count("#") == 2
    others = "* [Install](install.md)\n" * 5
    for kept in (f"\n{CONTENTS}", f"{others}\ntext", "* [a](#a)\n* [b](#b)\n\ntext"):
        assert clean(kept, "markdown").text == kept


@given(st.lists(PARTS, max_size=12).map("".join))
def test_the_parts_that_are_left_out_are_where_they_say(text: str) -> None:
    cleaned = clean(text, "markdown")
    assert [part.at for part in cleaned.left_out] == sorted(part.at for part in cleaned.left_out)
    assert all(part.characters > 0 for part in cleaned.left_out)
    assert sum(part.characters for part in cleaned.left_out) == len(text) - len(cleaned.text)
    assert sum(part.lines for part in cleaned.left_out) == text.count("\n") - cleaned.text.count("\n")


def read(folder: Path, name: str, text: str, settings: ReaderSettings | None = None) -> Record:
    (folder / name).write_text(text, encoding="utf-8")
    (record,) = RecordReader([folder / name], settings=settings)
    assert isinstance(record, Record)
    return record


def test_front_matter_of_a_file_is_metadata_of_the_fields_that_are_wanted(tmp_path: Path) -> None:
    text = "---\ntitle: The cat\ndraft: true\n---\n# Cats\n\ntext\n"
    record = read(tmp_path, "a.md", text)
    assert (record.text, record.metadata) == ("# Cats\n\ntext\n", {"title": "The cat", "draft": True})
    chosen = read(tmp_path, "a.md", text, ReaderSettings(metadata_fields=("draft",)))
    assert (chosen.text, chosen.metadata) == (record.text, {"draft": True})
    assert read(tmp_path, "a.txt", text).text == text
