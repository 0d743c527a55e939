"""Bodies that are valid in size alone: the event loop runs on, and nothing of them is looked at value by value."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from conftest import HANG_SECONDS
from embed_plugin import Encoder
from embed_plugin.serve import ServeSettings
from embed_plugin.serve.api.request_content import DEEPEST, MOST_FIELDS, MOST_NODES, OFF_LOOP_BYTES, ContentParser
from embed_plugin.serve.request_errors import RequestError
from serve.conftest import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from serve.conftest import RunningServer

HEADERS = {"Content-Type": "application/json"}
SIZE = 8 * 2**20 - 100
NESTED = b"[" * 900 + b"]" * 900


@pytest.fixture(scope="module")
def large(tiny_model: Callable[..., Path]) -> Iterator[RunningServer]:
    """A server that takes 8 MiB a body, as by default."""
    with serving(Encoder.load(tiny_model()), ServeSettings(port=0)) as server:
        yield server


def filled(unit: bytes) -> bytes:
    return b"[" + b",".join([unit] * (SIZE // (len(unit) + 1))) + b"]"


def parse(body: bytes, most_texts: int = 2048) -> Any:  # noqa: ANN401 - JSON
    return asyncio.run(ContentParser(most_texts).parse(body))


SHAPES = {
    "numbers": (filled(b"7"), {"invalid_text", "invalid_request"}),
    "fractions": (filled(b"1.5"), {"too_many_texts"}),
    "empty texts": (filled(b'""'), {"too_many_texts"}),
    "lists": (filled(b"[1]"), {"invalid_request"}),
    "objects": (filled(b'{"a":1}'), {"invalid_request"}),
    "nested": (filled(NESTED), {"invalid_request"}),
    "texts and lists": (filled(b'"",[]'), {"invalid_request"}),
    "a text without an end": (b'["' + b'\\"' * (SIZE // 2), {"invalid_request"}),
    "a number": (b"[" + b"9" * SIZE + b"]", {"invalid_request"}),
}


@pytest.mark.parametrize(
    ("path", "field"), [("/embed", b"texts"), ("/count_tokens", b"texts"), ("/v1/embeddings", b"input")]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_eight_megabytes_of_anything_are_answered_with_what_is_wrong(
    large: RunningServer, path: str, field: bytes, shape: str
) -> None:
    content, codes = SHAPES[shape]
    model = b'"model":"checkpoint",' if path.startswith("/v1") else b""
    answer = large.client.post(path, content=b"{" + model + b'"' + field + b'":' + content + b"}", headers=HEADERS)
    assert answer.status_code in {400, 413, 422}
    assert answer.json()["error"]["code"] in codes
    assert len(answer.content) < 1000


@pytest.mark.parametrize("text", [b"a" * SIZE, b"[{:" * (SIZE // 3)], ids=["a word", "brackets"])
def test_a_text_of_eight_megabytes_is_cut_where_that_is_allowed(large: RunningServer, text: bytes) -> None:
    answers = [
        large.client.post(path, content=start + b'["' + text + b'"]}', headers=HEADERS)
        for path, start in (
            ("/embed", b'{"texts":'),
            ("/v1/embeddings", b'{"model":"checkpoint","input":'),
            ("/count_tokens", b'{"texts":'),
        )
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 413]
    assert answers[2].json()["error"]["code"] == "text_too_long"


@pytest.mark.parametrize(
    "field", ["role", "model", "truncate", "texts", "input", "encoding_format", "dimensions", "user"]
)
@pytest.mark.parametrize(
    "value", [NESTED, b'{"a":' * 900 + b"1" + b"}" * 900, filled(b"1")], ids=["lists", "objects", "long"]
)
def test_no_field_may_be_deep_or_long(large: RunningServer, field: str, value: bytes) -> None:
    for path in ("/embed", "/count_tokens", "/v1/embeddings"):
        answer = large.client.post(path, content=b'{"%s":%s}' % (field.encode(), value), headers=HEADERS)
        assert answer.status_code in {400, 413, 422}
        assert len(answer.content) < 1000


def test_the_service_is_alive_while_a_large_body_is_parsed(
    large: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsing, go_on = threading.Event(), threading.Event()
    loads = json.loads

    def wait_and_load(text: str, **options: Any) -> Any:  # noqa: ANN401 - JSON
        parsing.set()
        assert go_on.wait(HANG_SECONDS)
        return loads(text, **options)

    monkeypatch.setattr("embed_plugin.serve.api.request_content.json.loads", wait_and_load)
    body = json.dumps({"texts": ["a" * OFF_LOOP_BYTES]}).encode()
    answers: list[int] = []

    def send() -> None:
        answers.append(
            httpx.post(f"{large.url}/embed", content=body, headers=HEADERS, timeout=HANG_SECONDS).status_code
        )

    sender = threading.Thread(target=send)
    sender.start()
    assert parsing.wait(HANG_SECONDS)
    assert httpx.get(f"{large.url}/health/live", timeout=HANG_SECONDS).status_code == 200
    go_on.set()
    sender.join()
    assert answers == [200]


def test_brackets_in_a_text_are_no_structure() -> None:
    texts = ['[{":\\' * 5000, "]" * 5000, '"' * 100]
    assert parse(json.dumps({"texts": texts}).encode()) == {"texts": texts}


def test_depth_and_counts_are_limited_exactly() -> None:
    def nested(levels: int) -> bytes:
        return b"[" * levels + b'"["' + b"]" * levels

    assert parse(nested(DEEPEST)) is not None
    with pytest.raises(RequestError, match="nested more than 64 levels"):
        parse(nested(DEEPEST + 1))
    assert len(parse(b"[" + b",".join([b"[]"] * (MOST_NODES - 1)) + b"]")) == MOST_NODES - 1
    with pytest.raises(RequestError, match="at most 10000 arrays, objects and fields"):
        parse(b"[" + b",".join([b"[]"] * MOST_NODES) + b"]")
    with pytest.raises(RequestError, match=r"101 fields; expected at most 100"):
        parse(json.dumps(dict.fromkeys(map(str, range(MOST_FIELDS + 1)))).encode())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"texts": ["a"', "not JSON, at character 14: "),
        (b'["\xff"]', "not UTF-8, at byte 2"),
        (b"[NaN]", "a number that cannot be read"),
        (b"[-Infinity]", "a number that cannot be read"),
        (b"[" + b"9" * 5000 + b"]", "a number that cannot be read"),
    ],
    ids=["cut off", "Latin-1", "NaN", "infinity", "5000 digits"],
)
def test_what_is_no_json_is_named_without_being_kept(body: bytes, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        parse(body)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_the_last_of_two_equal_names_counts_and_a_mark_is_dropped(server: RunningServer) -> None:
    body = b'\xef\xbb\xbf{"texts": 3, "role": "poem", "texts": ["the cat"], "role": "query"}'
    answer = server.client.post("/embed", content=body, headers=HEADERS)
    assert answer.json()["usage"]["texts"] == 1


def test_a_clients_own_names_are_quoted_in_part(server: RunningServer) -> None:
    for fields in ({"x" * 50_000: 1}, {"model": "x" * 50_000}, {"\ud800": 1}, {"model": "\ud800"}):
        answer = server.client.post("/embed", content=json.dumps({"texts": ["a"], **fields}), headers=HEADERS)
        assert answer.status_code in {404, 422}
        assert len(answer.content) < 1000


@pytest.mark.parametrize("field", ["role", "model", "truncate"])
def test_null_is_the_default(server: RunningServer, field: str) -> None:
    for path in ("/embed", "/count_tokens"):
        if (path, field) in {("/count_tokens", "model"), ("/count_tokens", "truncate")}:
            continue
        answers = [server.client.post(path, json={"texts": ["the cat"], **more}) for more in ({}, {field: None})]
        assert [answer.status_code for answer in answers] == [200, 200]
        results = [answer.json().get("embeddings", answer.json().get("tokens")) for answer in answers]
        assert results[0] == results[1]
