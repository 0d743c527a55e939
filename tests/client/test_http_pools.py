from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conftest import HANG_SECONDS
from embed_plugin import StateError
from embed_plugin.client import AsyncEmbeddingClient
from embed_plugin.client.http_pools import HttpPools
from support.embedding_server import HASTY, EmbeddingServer

if TYPE_CHECKING:
    from embed_plugin import Encoder, Vectors
    from support.embedding_server import _Handler

TEXTS = [f"the cat sat on mat {number}" for number in range(20)]


@pytest.fixture
def shared(server: EmbeddingServer) -> AsyncEmbeddingClient:
    return AsyncEmbeddingClient(server.url, settings=HASTY)


def in_a_loop_of_its_own(client: AsyncEmbeddingClient) -> Vectors:
    return asyncio.run(client.encode_documents(TEXTS))


def test_one_loop_after_the_other(server: EmbeddingServer, shared: AsyncEmbeddingClient, tiny_encoder: Encoder) -> None:
    for _ in range(3):
        assert np.array_equal(in_a_loop_of_its_own(shared), tiny_encoder.encode_documents(TEXTS))
    assert server.connections >= 3


def test_four_threads_with_a_loop_each(shared: AsyncEmbeddingClient, tiny_encoder: Encoder) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(in_a_loop_of_its_own, [shared] * 20))
    assert all(np.array_equal(each, tiny_encoder.encode_documents(TEXTS)) for each in found)


def test_a_pool_is_closed_with_its_loop() -> None:
    pools = HttpPools()
    opened = [asyncio.run(pools.of_this_loop()) for _ in range(3)]
    assert [http.is_closed for http in opened] == [True] * 3
    assert pools._pools == {}


def test_a_loop_that_was_closed_by_hand_is_forgotten() -> None:
    async def open_pool() -> None:
        await pools.of_this_loop()

    pools = HttpPools()
    for _ in range(5):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(open_pool())
        loop.close()
    asyncio.run(open_pool())
    assert pools._pools == {}


def test_a_closed_client_says_so_in_every_loop(shared: AsyncEmbeddingClient) -> None:
    async def use_and_close() -> None:
        await shared.encode_documents(TEXTS)
        await shared.aclose()
        await shared.aclose()
        with pytest.raises(StateError, match="this client is closed"):
            await shared.encode_documents(TEXTS)

    asyncio.run(use_and_close())
    for call in (shared.space, lambda: shared.encode_queries([]), lambda: shared.count_tokens(["a"])):
        with pytest.raises(StateError, match="this client is closed: make another one"):
            asyncio.run(call())


def test_requests_under_way_end_with_the_client(server: EmbeddingServer, shared: AsyncEmbeddingClient) -> None:
    arrived, go = threading.Event(), threading.Event()

    def wait(_: _Handler) -> None:
        arrived.set()
        go.wait(HANG_SECONDS)

    async def close_under_it() -> None:
        await shared.space()
        server.faults.append(wait)
        task = asyncio.create_task(shared.encode_queries(["a"]))
        await asyncio.to_thread(arrived.wait, HANG_SECONDS)
        await shared.aclose()
        with pytest.raises(StateError, match="this client is closed"):
            await task

    try:
        asyncio.run(close_under_it())
    finally:
        go.set()


def test_closing_in_one_loop_closes_the_connections_of_another(shared: AsyncEmbeddingClient) -> None:
    elsewhere = asyncio.new_event_loop()
    thread = threading.Thread(target=elsewhere.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(shared.encode_documents(TEXTS), elsewhere).result(HANG_SECONDS)
        asyncio.run(shared.aclose())
        with pytest.raises(StateError):
            asyncio.run_coroutine_threadsafe(shared.encode_documents(TEXTS), elsewhere).result(HANG_SECONDS)
        asyncio.run_coroutine_threadsafe(elsewhere.shutdown_asyncgens(), elsewhere).result(HANG_SECONDS)
    finally:
        elsewhere.call_soon_threadsafe(elsewhere.stop)
        thread.join()
        elsewhere.close()
