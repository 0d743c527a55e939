from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc  # type: ignore[import-untyped]
import pytest
from qdrant_client import grpc as messages
from qdrant_client.grpc.points_service_pb2_grpc import PointsStub

from embed_plugin.ingest.stores.qdrant.client.deep_payloads import GRPC_LEVELS, is_deep, is_unreadable


def nested(levels: int, *, kind: str) -> object:
    value: object = "x"
    for _ in range(levels):
        value = [value] if kind == "list" else {"k": value}
    return value


@pytest.mark.parametrize("kind", ["list", "object"])
def test_a_payload_is_deep_beyond_24_levels_itself_included(kind: str) -> None:
    assert not is_deep({"k": nested(GRPC_LEVELS - 1, kind=kind), "n": 1})
    assert is_deep({"n": 1, "k": nested(GRPC_LEVELS, kind=kind)})


def field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message, which its own classes refuse to write when it is deep."""
    size, length = len(content), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


class Answers(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer

    def service(self, _details: object) -> object:
        return grpc.unary_unary_rpc_method_handler(self.reply)

    def reply(self, _request: bytes, context: grpc.ServicerContext) -> bytes:
        if self.answer is None:
            context.abort(grpc.StatusCode.INTERNAL, "no such thing")
        return self.answer or b""


@pytest.mark.parametrize("deep", [True, False])
def test_a_response_that_is_too_deep_is_told_from_other_failures(*, deep: bool) -> None:
    value = messages.Value(string_value="x").SerializeToString()
    for _ in range(64):
        value = field(6, field(1, field(1, b"k") + field(2, value)))  # struct_value, its fields, key and value
    point = field(2, field(1, b"k") + field(2, value))
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((Answers(field(2, point) if deep else None),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError) as error:
        PointsStub(channel).Scroll(messages.ScrollPoints(collection_name="c"))  # type: ignore[no-untyped-call]
    server.stop(None).wait()
    assert is_unreadable(error.value) == deep
