from __future__ import annotations

import pytest

from embed_plugin.ingest import Rejected
from embed_plugin.ingest.rejected.letter import begins_with_letters, letter_of, line_of

LINE = line_of(Rejected("bad", "a.jsonl:1", record={"line": "x" * 1000}))


@pytest.mark.parametrize(
    "head",
    [
        LINE,
        LINE[:400],
        b"\xef\xbb\xbf\n \r\n" + LINE,
        b'{"source_name": "do\n' + LINE,
        b'{"source": "a", "chunk": null, "place": "", "reason": "", "record": null}',
        b'{ "record":1,"reason":1,"place":1,"chunk":1,"source":1 }\nnot json',
    ],
)
def test_a_dead_letter_file_is_known_by_the_keys_of_its_first_lines(head: bytes) -> None:
    assert begins_with_letters(head)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff\x00",
        b"[1]\n{}",
        b"[" * 9999,
        b'{"source": "a", "place": "", "reason": "", "record": null}',
        b'{"source": "a", "chunk": 1, "place": "", "reason": "", "record": null, "text": "mine"}',
        b'{"text": "the keys are \\"source\\": \\"chunk\\": \\"place\\": \\"reason\\": \\"record\\": "}',
    ],
)
def test_other_lines_are_no_letters(head: bytes) -> None:
    assert not begins_with_letters(head)


def test_a_letter_keeps_what_was_stored_when_it_was_written() -> None:
    for stored in (None, "", "a hash"):
        letter = Rejected("bad", "a:1", "a", 2, {"n": 1}, source_name="docs", stored=stored)
        read = letter_of(line_of(letter).decode())
        assert (read.stored, read.key, read.record) == (stored, letter.key, {"n": 1})
