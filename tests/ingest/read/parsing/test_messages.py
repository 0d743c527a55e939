from __future__ import annotations

import io

import pytest

from embed_plugin.ingest import Record, Rejected
from embed_plugin.ingest.read.parsing.messages import (
    TooLongMessageError,
    encode_message,
    item_of,
    message_of,
    read_message,
)


@pytest.mark.parametrize(
    "item",
    [
        Record(
            "a#1", "cät\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), {"n": [1, None, {"k": 0.5}]}
        ),
        Record("a", "# cat", syntax="markdown", place="a.pdf (page=1)", numbers_as_text=2),
        Rejected("no", "a.pdf", None, record={"path": "/a.pdf", "name": "a.pdf"}),
        Rejected("no", "a.pdf", "a.pdf"),
    ],
)
def test_what_is_read_is_the_same_after_it_was_sent(item: Record | Rejected) -> None:
    message = read_message(io.BytesIO(encode_message(message_of(item))), most_bytes=10_000)
    assert message is not None
    found = item_of(message)
    assert (found, found.place) == (item, item.place)
    assert getattr(found, "numbers_as_text", 0) == getattr(item, "numbers_as_text", 0)


def test_a_message_that_ends_too_early_is_the_end() -> None:
    sent = encode_message({"items": []})
    assert [read_message(io.BytesIO(sent[:cut]), most_bytes=100) for cut in range(len(sent))] == [None] * len(sent)


def test_a_message_that_is_too_long_is_not_read() -> None:
    with pytest.raises(TooLongMessageError):
        read_message(io.BytesIO(encode_message({"text": "a" * 100})), most_bytes=99)
