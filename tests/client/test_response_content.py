"""Whatever a server sends, the client returns vectors of its space or raises EndpointError."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embed_plugin import EndpointError
from embed_plugin.client import CohereEndpoint, EmbeddingClient, OpenAIEndpoint
from embed_plugin.testing import FakeEncoder
from support.embedding_server import HASTY, EmbeddingServer, Fault, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin.client import Endpoint
    from support.embedding_server import _Handler

UNIT = np.eye(1, 32, dtype="<f4")
DEEP = b"[" * 30_000
FLOATS = {"Content-Type": "application/octet-stream"}
JSON = {"Content-Type": "application/json"}


def floats(vectors: Any, **changed: str) -> Fault:  # noqa: ANN401 - rows or bytes
    content = vectors if isinstance(vectors, bytes) else np.asarray(vectors, dtype="<f4").tobytes()
    headers = {"Embed-Model": "m", "Embed-Fingerprint": "fake", "Embed-Dimension": "32", "Embed-Truncated": ""}
    named = {name.replace("_", "-"): value for name, value in changed.items()}
    return lambda handler: handler.reply(200, content, headers | FLOATS | named)


def endlessly(part: bytes, headers: dict[str, str], status: int = 200) -> Fault:
    """Send one part after another until the client hangs up."""

    def fault(handler: _Handler) -> None:
        handler.send_response(status)
        for name, value in (headers | {"Connection": "close"}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.close_connection = True
        while True:
            handler.wfile.write(part)

    return fault


@pytest.fixture
def fake() -> Iterator[EmbeddingServer]:
    with EmbeddingServer(FakeEncoder()) as server:
        yield server


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (floats(np.full((1, 32), np.nan)), "not of unit length"),
        (floats(np.full((1, 32), np.inf)), "not of unit length"),
        (floats(UNIT * 1e30), "not of unit length"),
        (floats(UNIT * 0), "not of unit length"),
        (floats(np.eye(2, 32)), "256 bytes, expected 128"),
        (floats(b""), "0 bytes, expected 128"),
        (floats(UNIT.tobytes()[:-1]), "127 bytes"),
        (floats(np.eye(1, 16), Embed_Dimension="16"), "dimension 16, expected 32"),
        (floats(UNIT, Embed_Dimension="1e30"), "ValueError"),
        (floats(UNIT, Embed_Dimension="-1"), "dimension -1, expected 32"),
        (floats(UNIT, Embed_Truncated="7"), "indices of 1 texts"),
        (floats(UNIT, Embed_Truncated="x"), "ValueError"),
        (floats(UNIT, Content_Type="text/html; charset=utf-8"), "'text/html', expected application/octet-stream"),
        (floats(gzip.compress(UNIT.tobytes()), Content_Encoding="gzip"), "a compressed body"),
        (endlessly(bytes(2**16), FLOATS), "more than the 65,664 bytes that were asked for"),
    ],
)
def test_the_service_sends_no_vectors(fake: EmbeddingServer, fault: Fault, says: str) -> None:
    with EmbeddingClient(fake.url, settings=HASTY) as client:
        fake.faults.append(fault)
        with pytest.raises(EndpointError, match=says) as refused:
            client.encode_documents(["a"])
        assert type(refused.value) is EndpointError
        assert np.array_equal(client.encode_documents(["a"]), FakeEncoder().encode_documents(["a"]))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"dimension": 10**9}, "dimension is 1000000000, expected a whole number from 1 to 65536"),
        ({"dimension": 1e30}, "dimension is 1e"),
        ({"dimension": float("nan")}, "JSON with NaN"),
        ({"dimension": True}, "dimension is True"),
        ({"dimension": "32"}, "dimension is '32'"),
        ({"dimension": 0}, "dimension is 0"),
        ({"max_tokens": None}, "max_tokens is None"),
        ({"fingerprint": ""}, "fingerprint is ''"),
        ({"fingerprint": ["fake"]}, "fingerprint is"),
        ({"fingerprint": "a\x1b[2Jb"}, r"fingerprint is 'a\\x1b\[2Jb'"),
    ],
)
def test_the_service_describes_no_space(changed: dict[str, object], says: str) -> None:
    encoder = FakeEncoder()
    vars(encoder).update(changed)
    with (
        EmbeddingServer(encoder) as server,
        EmbeddingClient(server.url, settings=HASTY) as client,
        pytest.raises(EndpointError, match=f"GET /info answered what cannot be used .*{says}"),
    ):
        _ = client.dimension


def test_a_limit_of_no_texts_is_refused() -> None:
    with (
        EmbeddingServer(FakeEncoder(), most_texts=0) as server,
        EmbeddingClient(server.url, settings=HASTY) as client,
        pytest.raises(EndpointError, match="texts is 0"),
    ):
        client.encode_documents(["a"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (DEEP, "nested too deeply"),
        (b'{"tokens": [3], "model": "m", "fingerprint"', "JSONDecodeError"),
        (b'{"tokens": [3], "tokens": [4], "model": "m", "fingerprint": "fake"}', "a key is repeated"),
        (b'{"tokens": [1e999], "model": "m", "fingerprint": "fake"}', "a token count is inf"),
        (b'{"tokens": [-1], "model": "m", "fingerprint": "fake"}', "a token count is -1"),
        (b'{"tokens": [%d], "model": "m", "fingerprint": "fake"}' % 2**70, "a token count is"),
        (b'{"tokens": [3, 4], "model": "m", "fingerprint": "fake"}', "expected 1 counts"),
        (b'{"tokens": {"0": 3}, "model": "m", "fingerprint": "fake"}', "expected 1 counts"),
        (b'{"tokens": [3], "model": 7, "fingerprint": "fake"}', "model is 7"),
        (b"[3]", "JSON that is a list"),
        (b"\xff\xfe", "cannot be used"),
        (b"", "cannot be used"),
    ],
)
def test_the_service_counts_no_tokens(fake: EmbeddingServer, content: bytes, says: str) -> None:
    fake.faults.append(lambda handler: handler.reply(200, content, JSON))
    with EmbeddingClient(fake.url, settings=HASTY) as client, pytest.raises(EndpointError, match=says):
        client.count_tokens(["a"])


def openai_rows(*rows: object) -> bytes:
    return json.dumps({"data": [{"index": at, "embedding": row} for at, row in enumerate(rows)]}).encode()


@pytest.mark.parametrize(
    "content",
    [
        openai_rows([1.0, float("nan")]),
        openai_rows([1e30, 0.0]),
        openai_rows([1e-30, 0.0]),
        openai_rows([10**400, 0]),
        openai_rows(["1", "0"]),
        openai_rows([True, False]),
        openai_rows([None, 1.0]),
        openai_rows([[1.0, 0.0]]),
        openai_rows({"0": 1.0, "1": 0.0}),
        openai_rows([1.0, 0.0, 0.0]),
        openai_rows([1.0, 0.0], [0.0, 1.0]),
        openai_rows("AACAPwAAAAA"),
        openai_rows("AACAPwAAAAA=!"),
        openai_rows(None),
        b'{"data": [{"index": 0, "embedding": [1e999, 0]}]}',
        b'{"data": [{"index": -1, "embedding": [1, 0]}]}',
        b'{"data": [{"index": false, "embedding": [1, 0]}]}',
        b'{"data": [{"index": 0, "embedding": [1, 0], "embedding": [0, 1]}]}',
        b'{"data": [[0, 1]]}',
        b'{"data": "ab"}',
        b'{"data": [{"index": 0, "embedding": ' + DEEP,
    ],
)
@pytest.mark.parametrize("api", ["openai", "cohere"])
def test_a_cloud_sends_no_vectors(
    fake: EmbeddingServer, monkeypatch: pytest.MonkeyPatch, content: bytes, api: str
) -> None:
    monkeypatch.setenv("COHERE_API_KEY", "co-key")
    endpoint: Endpoint = OpenAIEndpoint("m", dimension=2, url=f"{fake.url}/v1")
    if api == "cohere":
        endpoint = CohereEndpoint("m", dimension=2, url=fake.url)
        content = content.replace(b'"data": [{"index": 0, "embedding": ', b'"embeddings": {"float": [')
        content = content.replace(b"}]}", b"]}}")
    fake.faults.append(lambda handler: handler.reply(200, content, JSON))
    with EmbeddingClient(endpoint, settings=HASTY) as client, pytest.raises(EndpointError, match="cannot be used"):
        client.encode_documents(["a"])


def test_a_clouds_numbers_have_room_and_no_more(fake: EmbeddingServer) -> None:
    longest = [-1.2345678901234567e-05] * 4096
    fake.faults.extend([answer({"data": [{"index": 0, "embedding": longest}]}), endlessly(b"[" * 2**16, JSON)])
    with EmbeddingClient(OpenAIEndpoint("m", dimension=4096, url=f"{fake.url}/v1"), settings=HASTY) as client:
        assert client.encode_documents(["a"]).shape == (1, 4096)
        with pytest.raises(EndpointError, match="more than the 197,644 bytes"):
            client.encode_documents(["a"])


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (endlessly(b"<p>" * 2**16, {}, status=500), "answered 500 <p><p>"),
        (endlessly(DEEP, JSON, status=500), r"answered 500 \[\[\["),
        (answer(b"\x1b]0;owned\x07 no\n\r such", 500), r"answered 500 ]0;owned no such to"),
        (answer(gzip.compress(b"a" * 10**6), 500, Content_Encoding="gzip"), "answered 500 Internal Server Error"),
        (answer({"error": {"message": "m", "code": ["x"]}}, 500), "answered 500 m"),
    ],
)
def test_an_error_is_read_no_further_than_its_start(fake: EmbeddingServer, fault: Fault, says: str) -> None:
    with EmbeddingClient(fake.url, settings=HASTY) as client:
        fake.faults.append(fault)
        with pytest.raises(EndpointError, match=says) as refused:
            client.encode_documents(["a"])
    assert len(str(refused.value)) < 500


def test_a_refused_text_that_was_not_sent_is_not_named(fake: EmbeddingServer) -> None:
    error = {"code": "invalid_text", "message": "text 9: bad", "index": 9}
    fake.faults.append(answer({"error": error}, 422))
    with (
        EmbeddingClient(fake.url, settings=HASTY) as client,
        pytest.raises(ValueError, match=r"bad .*\(texts 0 to 1\)"),
    ):
        client.encode_documents(["a", "b"])
