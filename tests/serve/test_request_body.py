from __future__ import annotations

import asyncio
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest

from embed_plugin.serve.request_body import BODIES_HELD, READ_PAST_THE_LIMIT, BodyReader
from embed_plugin.serve.request_errors import ClientDisconnectedError, RequestError

if TYPE_CHECKING:
    from starlette.types import Receive

LIMIT = 100
DISCONNECT: dict[str, Any] = {"type": "http.disconnect"}


def part(size: int, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


def receiver(*messages: dict[str, Any]) -> Receive:
    """Receives the messages, and then nothing more."""
    left = list(messages)

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive


ENDS = {
    "whole": [part(60), part(40, more=False)],
    "disconnected": [part(90), DISCONNECT],
    "a little too large": [part(90), part(90, more=False)],
    "much too large": [part(90), part(READ_PAST_THE_LIMIT * LIMIT)],
    "too slow": [part(90)],
}


@pytest.mark.parametrize("messages", ENDS.values(), ids=ENDS)
def test_a_body_takes_no_memory_when_its_request_has_ended(messages: list[dict[str, Any]]) -> None:
    async def read() -> None:
        reader = BodyReader(limit=LIMIT, seconds=0.01)
        for _ in range(2 * BODIES_HELD):
            with (
                suppress(RequestError, ClientDisconnectedError),
                reader.hold(await reader.read(receiver(*messages), 0)),
            ):
                raise ClientDisconnectedError
        assert (reader._held, reader._unfinished) == (0, [])  # one that has ended would go only when its room is needed
        with ExitStack() as stack:
            for _ in range(BODIES_HELD):
                stack.enter_context(reader.hold(await reader.read(receiver(*ENDS["whole"]), 0)))

    asyncio.run(read())


def test_the_body_that_waits_for_longest_makes_room_for_one_that_comes() -> None:
    async def read() -> list[Any]:
        reader = BodyReader(limit=LIMIT, seconds=60)
        waiting = [asyncio.create_task(reader.read(receiver(part(90)), 0)) for _ in range(BODIES_HELD)]
        await asyncio.sleep(0)
        assert len(await reader.read(receiver(*ENDS["whole"]), 0)) == LIMIT
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        ended = [each.done() and getattr(each.exception(), "code", None) for each in waiting]
        for each in waiting:
            each.cancel()
        return ended

    assert asyncio.run(read()) == ["overloaded", *[False] * (BODIES_HELD - 1)]


def test_a_body_that_finds_no_room_at_all_is_refused() -> None:
    async def read() -> None:
        reader = BodyReader(limit=LIMIT, seconds=60)
        with ExitStack() as stack:
            for _ in range(BODIES_HELD):
                stack.enter_context(reader.hold(b"x" * LIMIT))
            with pytest.raises(RequestError, match="too much memory"):
                await reader.read(receiver(*ENDS["whole"]), 0)
        assert len(await reader.read(receiver(*ENDS["whole"]), 0)) == LIMIT

    asyncio.run(read())
