"""Messages between a run and its parser process: JSON behind its length. Nothing that is received is executed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

from embed_plugin.ingest.records import Record, Rejected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.ingest.records import JSON

Message: TypeAlias = dict[str, "JSON"]

_LENGTH_BYTES = 8


class TooLongMessageError(Exception):
    """A message is longer than its receiver takes."""


def encode_message(message: Mapping[str, JSON]) -> bytes:
    """Write a message as bytes; what is not Unicode in its strings is escaped."""
    content = json.dumps(message).encode("ascii")
    return len(content).to_bytes(_LENGTH_BYTES, "big") + content


def read_message(stream: BinaryIO, *, most_bytes: int) -> Message | None:
    """Read the next message; None if the sender has ended, also in the middle of one.

    Raises:
        TooLongMessageError: it is longer than ``most_bytes``.
    """
    head = stream.read(_LENGTH_BYTES)
    if len(head) < _LENGTH_BYTES:
        return None
    length = int.from_bytes(head, "big")
    if length > most_bytes:
        raise TooLongMessageError
    content = stream.read(length)
    return cast("Message", json.loads(content)) if len(content) == length else None


def message_of(item: Record | Rejected) -> Message:
    """Make a message of what was read."""
    if isinstance(item, Record):
        return {
            "id": item.source_id,
            "text": item.text,
            "metadata": dict(item.metadata),
            "syntax": item.syntax,
            "place": item.place,
            "numbers_as_text": item.numbers_as_text,
        }
    return {"reason": item.reason, "place": item.place, "source_id": item.source_id, "record": item.record}


def item_of(message: Mapping[str, JSON]) -> Record | Rejected:
    """Make a record or a rejection of its message.

    Raises:
        RecordError: a record that :class:`Record` refuses.
        KeyError: it is no message of :func:`message_of`.
    """
    place = str(message["place"])
    if "reason" in message:
        source_id = message["source_id"]
        return Rejected(
            str(message["reason"]), place, None if source_id is None else str(source_id), record=message["record"]
        )
    return Record(
        str(message["id"]),
        str(message["text"]),
        cast("dict[str, JSON]", message["metadata"]),
        syntax=str(message["syntax"]),
        place=place,
        numbers_as_text=cast("int", message["numbers_as_text"]),
    )
