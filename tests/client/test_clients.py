from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import EndpointError, InvalidInputError, InvalidTextError, StateError, TextEncoder
from embed_plugin.client import AsyncEmbeddingClient, ClientSettings, EmbeddingClient
from embed_plugin.testing import FakeEncoder
from support.embedding_server import HASTY, EmbeddingServer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embed_plugin import Encoder, Vectors

TEXTS = [f"the cat {'sat ' * (number % 7)}on mat {number}" for number in range(50)]


def test_it_takes_the_place_of_an_encoder(client: EmbeddingClient, tiny_encoder: Encoder) -> None:
    assert isinstance(client, TextEncoder)
    same = [(each.dimension, each.max_tokens, each.fingerprint) for each in (client, tiny_encoder)]
    assert same[0] == same[1]
    for texts in (TEXTS, TEXTS[:1], []):
        for method in ("encode_documents", "encode_queries", "count_tokens"):
            there, here = (getattr(each, method)(texts) for each in (client, tiny_encoder))
            assert (there.dtype, there.shape) == (here.dtype, here.shape)
            assert np.array_equal(there, here), method
    assert np.array_equal(client.count_tokens(TEXTS, role="query"), tiny_encoder.count_tokens(TEXTS, role="query"))
    assert np.array_equal(np.array(list(client.stream_documents(iter(TEXTS)))), tiny_encoder.encode_documents(TEXTS))


def test_the_async_client_gives_the_same(server: EmbeddingServer, tiny_encoder: Encoder) -> None:
    async def all_of_it() -> None:
        async with AsyncEmbeddingClient(server.url, settings=HASTY) as client:
            with pytest.raises(StateError, match=r"await client.space\(\)"):
                _ = client.dimension
            documents, queries = await asyncio.gather(client.encode_documents(TEXTS), client.encode_queries(TEXTS))
            assert np.array_equal(documents, tiny_encoder.encode_documents(TEXTS))
            assert np.array_equal(queries, tiny_encoder.encode_queries(TEXTS))
            assert (client.fingerprint, client.max_tokens) == (tiny_encoder.fingerprint, tiny_encoder.max_tokens)
            assert np.array_equal(np.array([row async for row in client.stream_documents(TEXTS)]), documents)
            assert np.array_equal(await client.count_tokens(TEXTS), tiny_encoder.count_tokens(TEXTS))
            assert client.circuits == {server.url: "closed"}

    asyncio.run(all_of_it())


def test_the_other_client_is_for_asyncio_too(client: EmbeddingClient, tiny_encoder: Encoder) -> None:
    async def both() -> None:
        documents, queries = await asyncio.gather(client.aencode_documents(TEXTS), client.aencode_queries(TEXTS))
        assert np.array_equal(documents, tiny_encoder.encode_documents(TEXTS))
        assert np.array_equal(queries, tiny_encoder.encode_queries(TEXTS))

    asyncio.run(both())


def test_a_large_input_is_cut_and_some_of_it_is_under_way_at_once(
    server: EmbeddingServer, client: EmbeddingClient
) -> None:
    client.encode_documents(TEXTS)
    sizes = [len(seen.body["texts"]) for seen in server.posts()]
    assert (max(sizes), sum(sizes)) == (8, 50)
    assert 1 < server.most_under_way <= HASTY.in_flight
    assert server.connections <= HASTY.in_flight


def test_connections_are_reused(server: EmbeddingServer, client: EmbeddingClient) -> None:
    for _ in range(20):
        client.encode_queries(["the cat"])
    assert (len(server.posts()), server.connections) == (20, 1)


def test_the_services_own_limit_of_texts_is_kept(tiny_encoder: Encoder) -> None:
    with EmbeddingServer(tiny_encoder, most_texts=3) as server, EmbeddingClient(server.url) as client:
        client.encode_documents(TEXTS[:10])
        assert max(len(seen.body["texts"]) for seen in server.posts()) == 3


def test_a_stream_reads_no_further_ahead_than_it_asks(client: EmbeddingClient) -> None:
    read: list[str] = []

    def texts() -> Iterator[str]:
        for text in TEXTS:
            read.append(text)
            yield text

    next(client.stream_documents(texts()))
    assert len(read) == HASTY.in_flight * HASTY.request_texts + 1


def test_what_is_sent_tells_the_model_the_role_and_the_deadline(
    server: EmbeddingServer, client: EmbeddingClient
) -> None:
    client.encode_queries(["the cat"])
    (seen,) = server.posts()
    assert seen.body == {"texts": ["the cat"], "role": "query", "model": client.fingerprint, "truncate": None}
    assert seen.headers["Accept"] == "application/octet-stream"
    assert 0 < int(seen.headers["Embed-Deadline-Ms"]) <= 1000 * HASTY.attempt_seconds
    assert seen.headers["User-Agent"].startswith("embed-plugin/")


def test_cut_texts_are_counted_and_named(server: EmbeddingServer, client: EmbeddingClient) -> None:
    long = "cat " * 600
    found = client.embed([*TEXTS[:20], long, *TEXTS[:20], long])
    assert (found.truncated, client.cut_texts) == ((20, 41), 2)
    assert (found.endpoints, found.model, found.fingerprint) == ((server.url,), "tiny", client.fingerprint)
    with EmbeddingClient(server.url, settings=ClientSettings(on_long="error")) as strict:
        strict.encode_documents(["cat"])
    assert server.posts()[-1].body["truncate"] is False


@pytest.mark.parametrize("bad", [17, "\udc00"])
def test_a_bad_text_costs_no_request(server: EmbeddingServer, client: EmbeddingClient, bad: str) -> None:
    with pytest.raises(InvalidTextError, match="text 40:"):
        client.encode_documents([*TEXTS[:40], bad])
    with pytest.raises(InvalidTextError, match="text 2:"):
        list(client.stream_documents(iter(["a", "b", bad])))
    assert server.posts() == []


class Picky(FakeEncoder):
    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        if "bad" in texts:
            raise InvalidTextError(texts.index("bad"), "is bad")
        return super().encode_documents(texts)


def test_a_text_that_the_service_refuses_is_named_by_the_callers_index() -> None:
    with EmbeddingServer(Picky()) as server, EmbeddingClient(server.url, settings=HASTY) as client:
        for encode in (client.encode_documents, lambda texts: list(client.stream_documents(texts))):
            with pytest.raises(InvalidTextError, match=rf"^text 21: is bad \({server.url}\)") as refused:
                encode([*TEXTS[:21], "bad", *TEXTS[21:]])
            assert refused.value.index == 21
        assert client.circuits == {server.url: "closed"}


def test_it_pickles_as_its_arguments_pinned_to_its_space(client: EmbeddingClient, tiny_encoder: Encoder) -> None:
    vectors = client.encode_documents(TEXTS)
    with pickle.loads(pickle.dumps(client)) as copy:  # noqa: S301 - our own bytes
        assert np.array_equal(copy.encode_documents(TEXTS), vectors)
        assert copy.__reduce__()[0].keywords["fingerprint"] == tiny_encoder.fingerprint


def test_a_closed_client_says_so(client: EmbeddingClient) -> None:
    client.close()
    client.close()
    with pytest.raises(StateError, match="this client is closed"):
        client.encode_queries(["a"])


@pytest.mark.parametrize(
    "url",
    [
        *("there", "ftp://there", "http://", "http://there:port", "http://there/?a=1", "http://[::1", ""),
        *("http://*ü", "http://th\x00ere", "http://xn--/", "http://there/\x01"),
    ],
)
def test_what_is_no_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(InvalidInputError, match="is not the URL of a service"):
        EmbeddingClient(url)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidInputError, match="environment") as refused:
        EmbeddingClient("http://user:secret@there")
    assert "secret" not in str(refused.value)


def test_an_endpoint_named_twice_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="named twice"):
        EmbeddingClient("http://there", fallbacks=["http://there/"])


@pytest.fixture
def locked(tiny_encoder: Encoder) -> Iterator[EmbeddingServer]:
    with EmbeddingServer(tiny_encoder, key="open-sesame") as server:
        yield server


@pytest.mark.parametrize("key", ["schlüssel", "open\nsesame", "open sesame", "“open-sesame”", "open\x7f"])
def test_a_key_that_cannot_be_sent_is_refused_when_the_client_is_made(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBED_PLUGIN_KEY", key)
    for make in (EmbeddingClient, AsyncEmbeddingClient):
        with pytest.raises(InvalidInputError, match="the key in EMBED_PLUGIN_KEY has white space or") as refused:
            make("http://there")
        assert key not in str(refused.value)


def test_a_key_is_sent_as_a_bearer_token(locked: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBED_PLUGIN_KEY", " open-sesame\n")
    with EmbeddingClient(locked.url) as client:
        client.encode_queries(["a"])
    assert {seen.headers["Authorization"] for seen in locked.seen} == {"Bearer open-sesame"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_with_texts_and_key(
    server: EmbeddingServer, client: EmbeddingClient, twin: EmbeddingServer, status: int
) -> None:
    server.faults.append(answer(b"", status, Location=f"{twin.url}/embed"))
    with pytest.raises(EndpointError, match=f"points to {twin.url}/embed: redirects are not followed"):
        client.encode_queries(["a"])
    assert twin.seen == []


def test_the_key_comes_from_the_environment(locked: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBED_PLUGIN_KEY", "open-sesame")
    with EmbeddingClient(locked.url) as client:
        assert client.encode_queries(["a"]).shape == (1, 32)
        assert b"open-sesame" not in pickle.dumps(client)
    monkeypatch.setenv("EMBED_PLUGIN_KEY", "wrong")
    with EmbeddingClient(locked.url) as client, pytest.raises(EndpointError, match="refuses the key") as refused:
        client.encode_queries(["a"])
    assert "wrong" not in str(refused.value)


@pytest.mark.parametrize("content", [b"short", b"<html>", {"embeddings": []}, []])
def test_an_answer_that_is_none_names_the_endpoint(
    server: EmbeddingServer, client: EmbeddingClient, content: object
) -> None:
    server.faults.append(answer(content, Embed_Dimension="32", Embed_Truncated=""))
    with pytest.raises(EndpointError, match=rf"{server.url}: POST /embed answered what cannot be used"):
        client.encode_queries(["a"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_it_connects_anew_after_a_fork(client: EmbeddingClient) -> None:
    expected = client.encode_documents(TEXTS).tobytes()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, client.encode_documents(TEXTS).tobytes())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        assert answer.read() == expected
    assert os.waitpid(child, 0)[1] == 0
    assert client.encode_documents(TEXTS).tobytes() == expected


def test_a_program_that_closes_nothing_ends_in_silence(server: EmbeddingServer) -> None:
    code = f"""
from embed_plugin.client import EmbeddingClient
clients = [EmbeddingClient({server.url!r}) for _ in range(3)]
print(*[client.dimension for client in clients])
del clients[0]
next(clients[0].stream_documents(["a"] * 1000))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("32 32 32\n", "")


def test_many_threads_share_one_client(client: EmbeddingClient, tiny_encoder: Encoder) -> None:
    with ThreadPoolExecutor(8) as threads:
        rows = list(threads.map(lambda text: client.encode_queries([text])[0], TEXTS * 4))
    assert np.array_equal(np.array(rows), tiny_encoder.encode_queries(TEXTS * 4))
