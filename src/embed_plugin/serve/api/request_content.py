"""Parses the body of a request as JSON, within limits that hold before anything looks at each of its values.

A parser makes an object for every pair of brackets, and a schema an error for every wrong element: 8 MB of either take
seconds and hundreds of megabytes. So the brackets are counted first, and the texts before they are validated.
"""

from __future__ import annotations

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute
from starlette.requests import Request

from embed_plugin.serve.request_errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.responses import Response

OFF_LOOP_BYTES = 2**20
"""A larger body is parsed by a thread of its own."""

DEEPEST = 64
"""Levels of nested arrays and objects. The texts are at the second."""

MOST_NODES = 10_000
"""Arrays, objects and their fields. A list of texts is one, and token ids, which OpenAI's clients may send, are at most
one for each of 2,048 texts."""

MOST_FIELDS = 100
"""Fields of the outermost object."""

TEXT_FIELDS = frozenset({"texts", "input", "inputs", "documents"})

_NODES = re.compile(r'(?s)[\[\]{}:]|"(?:[^"\\]++|\\.)*+"?')
"""Strings, which may hold brackets, and what is between them; a string without an end ends with the body."""

_STEPS = {'"': 0, ":": 0, "[": 1, "{": 1, "]": -1, "}": -1}


class ContentParser:
    """Parses the bodies of one service; large ones one after the other, so that their memory does not add up."""

    def __init__(self, most_texts: int) -> None:
        self._most_texts = most_texts
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="parse")

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def parse(self, body: bytes) -> Any:  # noqa: ANN401 - JSON; a schema validates it
        """Parse a body; None if it is empty.

        Raises:
            RequestError: it is not JSON, holds too many values or texts, or is nested too deeply.
        """
        if len(body) <= OFF_LOOP_BYTES:
            return self._parse(body)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._parse, body)

    def _parse(self, body: bytes) -> Any:  # noqa: ANN401 - JSON
        if not body:
            return None
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise RequestError("invalid_request", f"the body is not UTF-8, at byte {error.start}") from None
        _refuse_structure(text)
        content = _load(text)
        if isinstance(content, dict):
            self._refuse_counts(content)
        return content

    def _refuse_counts(self, content: dict[str, Any]) -> None:
        """Refuse what a schema would look at value by value."""
        if len(content) > MOST_FIELDS:
            raise RequestError("invalid_request", f"the body has {len(content)} fields; expected at most {MOST_FIELDS}")
        queries = int("query" in content)
        for field in TEXT_FIELDS & content.keys():
            texts = content[field]
            if isinstance(texts, list) and len(texts) + queries > self._most_texts and not is_token_ids(texts):
                found = f"{len(texts)} texts" + (" and a query" if queries else "")
                message = f"{found}; at most {self._most_texts} texts in one request: send them in several"
                raise RequestError("too_many_texts", message)


class ContentRoute(APIRoute):
    """A route whose body the service's parser parses."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Parse the body before FastAPI validates it."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def parse_and_handle(request: Request) -> Response:
            parser: ContentParser = request.app.state.service.content_parser
            body = await request.body()
            return await handle(_ParsedRequest(request, body, await parser.parse(body)))

        return parse_and_handle


class _ParsedRequest(Request):
    """A request whose body is parsed already."""

    def __init__(self, request: Request, body: bytes, content: object) -> None:
        super().__init__(request.scope, request.receive)
        self._read = body
        self._content = content

    async def body(self) -> bytes:
        """Return the body, which cannot be received again."""
        return self._read

    async def json(self) -> Any:  # noqa: ANN401 - as starlette has it
        """Return what was parsed."""
        return self._content


def is_token_ids(value: list[Any]) -> bool:
    """Return whether a list is token ids, of one text or of several, by its first element."""
    first = value[0] if value else None
    if isinstance(first, list):
        first = first[0] if first else 0
    return isinstance(first, int) and not isinstance(first, bool)


def _refuse_structure(text: str) -> None:
    """Count what is nested and what has a name, without parsing it."""
    if text.count("[") + text.count("{") <= DEEPEST and text.count(":") <= MOST_NODES - DEEPEST:
        return
    depth = nodes = 0
    for found in _NODES.finditer(text):
        mark = text[found.start()]
        depth += _STEPS[mark]
        nodes += mark in "[{:"
        if depth > DEEPEST:
            raise RequestError("invalid_request", f"the body is nested more than {DEEPEST} levels deep")
        if nodes > MOST_NODES:
            expected = f"at most {MOST_NODES} arrays, objects and fields"
            raise RequestError("invalid_request", f"the body has more values than texts need; expected {expected}")


def _load(text: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        message = f"the body is not JSON, at character {error.pos}: {error.msg}"
    except ValueError:
        message = "the body holds a number that cannot be read"
    # Raised here, without the parser's error, which holds the body.
    raise RequestError("invalid_request", message)


def _refuse_constant(_name: str) -> float:
    """Refuse NaN and Infinity, which Python takes and JSON does not have."""
    raise ValueError
