from __future__ import annotations

import logging
import signal
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conftest import HANG_SECONDS
from embed_plugin import EndpointError, EndpointUnavailableError, InvalidInputError
from embed_plugin.client import EmbeddingClient, OpenAIEndpoint
from support.embedding_server import HASTY, OPENS_FOR_GOOD, EmbeddingServer, Fault, break_off, drop, refuse

if TYPE_CHECKING:
    from embed_plugin import Encoder
    from support.embedding_server import _Handler


class Hang:
    """A fault: no answer until the client hangs up."""

    def __init__(self) -> None:
        self.begun, self.hung_up = threading.Event(), threading.Event()

    def __call__(self, handler: _Handler) -> None:
        self.begun.set()
        if handler.connection.recv(1) == b"":
            self.hung_up.set()
        handler.close_connection = True


@pytest.mark.parametrize("fault", [drop, break_off, *(refuse(status) for status in (408, 429, 502, 503, 504))])
def test_what_passes_is_asked_again(
    server: EmbeddingServer, client: EmbeddingClient, tiny_encoder: Encoder, fault: Fault
) -> None:
    server.faults.extend([fault] * 2)
    texts = ["the cat", "a dog"]
    assert np.array_equal(client.encode_documents(texts), tiny_encoder.encode_documents(texts))
    assert len(server.posts()) == 3
    assert client.circuits == {server.url: "closed"}


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (refuse(400, "invalid_request"), InvalidInputError),
        (refuse(413, "body_too_large"), EndpointError),
        (refuse(422, "invalid_text", index=0), InvalidInputError),
        (refuse(401, "unauthorized"), EndpointError),
        (refuse(500, "internal"), EndpointError),
    ],
)
def test_what_does_not_pass_is_asked_once(
    server: EmbeddingServer, client: EmbeddingClient, fault: Fault, kind: type[Exception]
) -> None:
    server.faults.append(fault)
    with pytest.raises(kind, match=server.url):
        client.encode_documents(["the cat"])
    assert len(server.posts()) == 1


def test_retry_after_is_waited_for(
    server: EmbeddingServer, client: EmbeddingClient, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults.append(refuse(429, "overloaded", Retry_After="1"))
    with caplog.at_level(logging.INFO, "embed_plugin.client"):
        client.encode_queries(["the cat"])
    (told,) = (record.getMessage() for record in caplog.records)
    assert told.startswith(f"{server.url}: 429 said overloaded; asked again in 1.")


def test_a_wait_beyond_the_deadline_is_not_begun(server: EmbeddingServer, client: EmbeddingClient) -> None:
    server.faults.append(refuse(429, "overloaded", Retry_After="3600"))
    with pytest.raises(
        EndpointUnavailableError, match=rf"429 said overloaded .asked 1 times within the deadline of {HANG_SECONDS} s"
    ) as refused:
        client.encode_queries(["the cat"])
    assert refused.value.retry_after == pytest.approx(3600)
    assert len(server.posts()) == 1


def test_an_attempt_that_takes_too_long_is_hung_up_and_made_again(
    server: EmbeddingServer, tiny_encoder: Encoder
) -> None:
    hang = Hang()
    server.faults.append(hang)
    with EmbeddingClient(server.url, settings=replace(HASTY, attempt_seconds=0.3)) as client:
        assert np.array_equal(client.encode_queries(["a cat"]), tiny_encoder.encode_queries(["a cat"]))
    assert hang.hung_up.wait(HANG_SECONDS)


def test_the_deadline_ends_it_and_says_what_was_tried(server: EmbeddingServer) -> None:
    server.faults.extend([Hang(), Hang(), Hang()])
    with EmbeddingClient(server.url, settings=replace(HASTY, deadline_seconds=2)) as client:
        _ = client.fingerprint
        with pytest.raises(EndpointUnavailableError, match=rf"{server.url}: no answer within \d(\.\d+)? s .asked"):
            client.encode_queries(["a cat"])


def test_nobody_there_is_told_with_the_address(server: EmbeddingServer) -> None:
    server.close()
    with (
        EmbeddingClient(server.url, settings=OPENS_FOR_GOOD) as client,
        pytest.raises(EndpointUnavailableError, match=rf"{server.url}: .*cannot be reached"),
    ):
        client.encode_queries(["a cat"])


FLEETING = replace(HASTY, first_contact_seconds=0.5)


def test_a_dead_url_is_given_up_soon_and_told_once(server: EmbeddingServer, caplog: pytest.LogCaptureFixture) -> None:
    server.close()
    with (
        EmbeddingClient(server.url, settings=FLEETING) as client,
        pytest.raises(EndpointUnavailableError, match=r"within the 0.5 s of first_contact.*is the service started"),
    ):
        client.encode_queries(["a cat"])
    assert caplog.records == []


def test_a_service_that_answered_once_is_waited_for(server: EmbeddingServer, tiny_encoder: Encoder) -> None:
    with EmbeddingClient(server.url, settings=FLEETING) as client:
        assert client.dimension == 32
        server.close()
        opened = threading.Timer(1.5, lambda: twins.append(EmbeddingServer(tiny_encoder, port=server.port)))
        twins: list[EmbeddingServer] = []
        opened.start()
        assert client.encode_queries(["a cat"]).shape == (1, 32)
        opened.join()
        twins[0].close()


def test_a_service_that_is_overloaded_at_first_is_waited_for(server: EmbeddingServer) -> None:
    server.faults.append(refuse(503, "not_ready", Retry_After="1"))
    endpoint = OpenAIEndpoint("m", dimension=32, url=f"{server.url}/v1")
    with EmbeddingClient(endpoint, settings=FLEETING) as client:
        assert client.encode_queries(["a cat"]).shape == (1, 32)


def test_a_dead_first_endpoint_is_a_warning_where_the_second_answers(
    server: EmbeddingServer, twin: EmbeddingServer, tiny_encoder: Encoder, caplog: pytest.LogCaptureFixture
) -> None:
    server.close()
    fingerprint = tiny_encoder.fingerprint
    with EmbeddingClient(server.url, fallbacks=[twin.url], fingerprint=fingerprint, settings=OPENS_FOR_GOOD) as client:
        for _ in range(5):
            client.encode_queries(["a cat"])
    (told,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert told.startswith(f"circuit of {server.url}: closed -> open")


def test_ctrl_c_ends_the_request_on_the_service_too(server: EmbeddingServer, client: EmbeddingClient) -> None:
    _ = client.fingerprint
    hang = Hang()
    server.faults.extend([hang])

    def press() -> None:
        hang.begun.wait(HANG_SECONDS)
        if main := threading.main_thread().ident:
            signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        client.encode_queries(["a cat"])
    thread.join()
    assert hang.hung_up.wait(HANG_SECONDS)
    assert client.encode_queries(["a cat"]).shape == (1, 32)


def test_a_stream_that_is_left_ends_its_requests(server: EmbeddingServer, client: EmbeddingClient) -> None:
    stream = client.stream_documents(f"the cat {number}" for number in range(100))
    next(stream)
    hang = Hang()
    server.faults.append(hang)
    for _ in range(8):
        next(stream)
    assert hang.begun.wait(HANG_SECONDS)
    stream.close()
    assert hang.hung_up.wait(HANG_SECONDS)
