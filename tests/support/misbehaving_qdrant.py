"""A server on loopback that answers as Qdrant does over HTTP, and misbehaves on schedule.

What is stored and found is decided by qdrant-client's own engine in memory; only the way there is ours.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import sys
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python
from qdrant_client import QdrantClient, models

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping

Fault: TypeAlias = "Refuse | Reset | Slow | None"


@dataclass(frozen=True)
class Refuse:
    """Answer with a status, before anything is done."""

    status: int
    retry_after: str | None = None


@dataclass(frozen=True)
class Reset:
    """Do what was asked, and reset the connection in the middle of the answer; or before anything is done."""

    after_storing: bool = True


@dataclass(frozen=True)
class Slow:
    """Do what was asked, and answer late."""

    seconds: float


class AlreadyThereError(Exception):
    """The collection that is to be made is there."""


@dataclass
class Misbehaviour:
    """What goes wrong, and a record of what came.

    Attributes:
        faults: Of the writes of points that come next, in order; nothing is wrong with those after them.
        poison: A request with a point whose payload has this text in it is refused with 400, whole.
        writes: When each write of points came (monotonic seconds), and its size in points and bytes.
        api_keys: Of every request.
        engine: Where the points are.
        indexing_threshold: What a collection was told last; None before.
        quota: Every write of points is refused with 400 and this reason.
        needed_key: Requests without this key are refused with 401, in plain text as Qdrant does.
        forbidden: Every write of points is refused with 403 and this reason.
        strict: The collections' strict mode, which is kept.
        made_meanwhile: Called before a collection is made, as another run that is a moment earlier.
        indexes: The payload keys that were indexed, with their kinds.
        alias_requests: The actions of each request that changed aliases.
        adds_no_vectors: A collection takes no other vectors once it is made, as before Qdrant 1.18.
    """

    engine: QdrantClient

    faults: deque[Fault] = field(default_factory=deque)
    poison: str | None = None
    writes: list[tuple[float, int, int]] = field(default_factory=list)
    api_keys: set[str | None] = field(default_factory=set)
    indexing_threshold: int | None = None
    quota: str | None = None
    needed_key: str | None = None
    forbidden: str | None = None
    strict: models.StrictModeConfigOutput | None = None
    made_meanwhile: Callable[[], object] | None = None
    indexes: dict[str, str] = field(default_factory=dict)
    alias_requests: list[list[str]] = field(default_factory=list)
    adds_no_vectors: bool = False
    stopped: Event = field(default_factory=Event)
    most_at_once: int = 0
    at_once: int = 0


@contextmanager
def misbehaving_qdrant(
    *faults: Fault, poison: str | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, Misbehaviour]]:
    """Serve on a free port; the URL, and what is to go wrong."""
    engine = QdrantClient(":memory:")
    behaviour = Misbehaviour(engine, deque(faults), poison)
    handler = type("Handler", (_Handler,), {"behaviour": behaviour, "engine": engine, "lock": Lock()})
    with _Server(("127.0.0.1", 0), handler) as server:
        scheme = "http"
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            scheme = "https"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"{scheme}://127.0.0.1:{server.server_port}", behaviour
        finally:
            behaviour.stopped.set()
            server.shutdown()
            thread.join()
    engine.close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Keep the tests' output clean of handshakes that the client breaks off."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    behaviour: Misbehaviour
    engine: QdrantClient
    lock: Lock

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""

    def _serve(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(text) if text else {}
        path = self.path.split("?")[0]
        writes = self.command == "PUT" and path.endswith("/points")
        with self.lock:
            self.behaviour.api_keys.add(self.headers.get("api-key"))
            refusal = self._refusal(path, body, writes=writes)
            fault = self._note_write(body, len(text)) if writes and refusal is None else None
        if isinstance(fault, Refuse):
            refusal = fault.status, {"status": {"error": "as planned"}}
        if refusal is not None:
            self._answer(*refusal, getattr(fault, "retry_after", None))
            return
        if isinstance(fault, Reset) and not fault.after_storing:
            self._reset()
            return
        if writes and self.behaviour.poison and self.behaviour.poison in text.decode():
            with self.lock:
                self.behaviour.at_once -= 1
            self._answer(400, {"status": {"error": "Format error: a point is poisoned"}})
            return
        try:
            status, result = self._do(path, body)
        except Exception as error:  # noqa: BLE001 - a fault of the double itself must not look like one of the network
            self._answer(409 if isinstance(error, AlreadyThereError) else 400, {"status": {"error": str(error)}})
            return
        if isinstance(fault, Slow):
            self.behaviour.stopped.wait(fault.seconds)
        if isinstance(fault, Reset):
            self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"resu')
            self._reset()
            return
        with self.lock:
            self.behaviour.at_once -= writes
        self._answer(status, {"result": result, "status": "ok", "time": 0.0})

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

    def _note_write(self, body: dict[str, Any], size: int) -> Fault:
        points = len(body["batch"]["ids"]) if "batch" in body else len(body["points"])
        self.behaviour.writes.append((time.monotonic(), points, size))
        self.behaviour.at_once += 1
        self.behaviour.most_at_once = max(self.behaviour.most_at_once, self.behaviour.at_once)
        fault = self.behaviour.faults.popleft() if self.behaviour.faults else None
        self.behaviour.at_once -= isinstance(fault, Refuse | Reset)
        return fault

    def _refusal(self, path: str, body: dict[str, Any], *, writes: bool) -> tuple[int, str | dict[str, Any]] | None:
        """The status and the content that a request is refused with; None if it is done."""
        told = self.behaviour
        if told.needed_key is not None and self.headers.get("api-key") != told.needed_key:
            return 401, "Must provide an API key or an Authorization bearer token"
        reason = (told.quota or told.forbidden) if writes else None
        if writes and reason is not None:
            told.writes.append((time.monotonic(), 0, 0))
        reason = reason or beyond(told.strict, path, body)
        for one in (body, *(body.get("prefetch") or ())) if path.endswith(("/query", "/scroll")) else ():
            reason = reason or unindexed(told, one.get("filter"))
        status = 403 if writes and told.forbidden else 400
        return None if reason is None else (status, {"status": {"error": reason}, "time": 0.0})

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.wfile.flush()
        self.connection.close()
        self.close_connection = True

    def _answer(self, status: int, content: str | dict[str, Any], retry_after: str | None = None) -> None:
        text = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(text)

    def _do(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if self.command == "PUT" and path.count("/") == 2 and self.behaviour.made_meanwhile:
            self.behaviour.made_meanwhile()
        with self.lock:
            if path == "/collections":
                return 200, _json(self.engine.get_collections())
            if path.endswith("/aliases"):
                return 200, self._aliases(body) if body else _json(self.engine.get_aliases())
            found = re.fullmatch(r"/collections/([^/]+)(.*)", path)
            return (404, None) if found is None else self._do_named(found[1], found[2], body)

    def _do_named(self, name: str, rest: str, body: dict[str, Any]) -> tuple[int, Any]:
        if rest == "/exists":
            return 200, {"exists": self.engine.collection_exists(name)}
        if not rest:
            return self._do_collection(name, body)
        if rest.startswith("/vectors/"):
            if self.behaviour.adds_no_vectors:
                return 404, None
            return 200, self._vector_name(name, rest.removeprefix("/vectors/"), body)
        return 200, getattr(self, _ROUTES[self.command, rest])(name, body)

    def _do_collection(self, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        if self.command == "GET":
            found = _json(self.engine.get_collection(name))
            if self.behaviour.indexing_threshold is not None:
                found["config"]["optimizer_config"]["indexing_threshold"] = self.behaviour.indexing_threshold
            found["payload_schema"] = {
                key: {"data_type": kind, "points": 0} for key, kind in self.behaviour.indexes.items()
            }
            if self.behaviour.strict is not None:
                found["config"]["strict_mode_config"] = _json(self.behaviour.strict)
            return 200, found
        if self.command == "DELETE":
            return 200, self.engine.delete_collection(self._own(name))
        if self.command == "PATCH":
            told = (body.get("optimizers_config") or {}).get("indexing_threshold")
            self.behaviour.indexing_threshold = self.behaviour.indexing_threshold if told is None else told
            return 200, self.engine.update_collection(self._own(name), metadata=body.get("metadata"))
        if self.engine.collection_exists(name):
            raise AlreadyThereError(f"Wrong input: Collection `{name}` already exists!")
        made = models.CreateCollection.model_validate(body)
        sparse, metadata = made.sparse_vectors, made.metadata
        return 200, self.engine.create_collection(name, made.vectors, sparse_vectors_config=sparse, metadata=metadata)

    def _own(self, name: str) -> str:
        """Refuse an alias, through which nothing of ours changes a collection or drops it."""
        if name not in [one.name for one in self.engine.get_collections().collections]:
            raise ValueError(f"{name} is no collection's own name")
        return name

    def _aliases(self, body: dict[str, Any]) -> bool:
        self.behaviour.alias_requests.append([key for action in body["actions"] for key in action])
        asked = models.ChangeAliasesOperation.model_validate(body)
        return bool(self.engine.update_collection_aliases(asked.actions))

    def _vector_name(self, name: str, vector: str, body: dict[str, Any]) -> Any:  # noqa: ANN401
        if self.command == "DELETE":
            self.engine.delete_vector_name(name, vector)
        else:
            kind = models.SparseVectorNameConfig if "sparse" in body else models.DenseVectorNameConfig
            self.engine.create_vector_name(name, vector, kind.model_validate(body))
        return _DONE

    def _set_vectors(self, name: str, body: dict[str, Any]) -> Any:  # noqa: ANN401
        self.engine.update_vectors(name, models.UpdateVectors.model_validate(body).points)
        return _DONE

    def _index(self, _name: str, body: dict[str, Any]) -> Any:  # noqa: ANN401
        self.behaviour.indexes[body["field_name"]] = body["field_schema"]
        return _DONE

    def _upsert(self, name: str, body: dict[str, Any]) -> Any:  # noqa: ANN401
        return _json(self.engine.upsert(name, models.Batch.model_validate(body["batch"])))

    def _retrieve(self, name: str, body: dict[str, Any]) -> Any:  # noqa: ANN401
        wanted = {"with_payload": body["with_payload"], "with_vectors": body.get("with_vector", False)}
        return _json(self.engine.retrieve(name, body["ids"], **wanted))

    def _delete(self, name: str, body: dict[str, Any]) -> Any:  # noqa: ANN401
        return _json(self.engine.delete(name, models.PointIdsList.model_validate(body)))

    def _batch(self, name: str, body: dict[str, Any]) -> Any:  # noqa: ANN401
        operations = TypeAdapter(list[models.UpdateOperation]).validate_python(body["operations"])
        return _json(self.engine.batch_update_points(name, operations))

    def _scroll(self, name: str, body: dict[str, Any]) -> Any:  # noqa: ANN401
        wanted = {key: body.get(key) for key in ("limit", "offset", "with_payload")}
        wanted["scroll_filter"] = models.Filter.model_validate(body["filter"]) if body.get("filter") else None
        points, following = self.engine.scroll(name, with_vectors=body["with_vector"], **wanted)  # type: ignore[arg-type]
        return {"points": _json(points), "next_page_offset": following}

    def _query(self, name: str, body: dict[str, Any]) -> Any:  # noqa: ANN401
        asked = models.QueryRequest.model_validate(body)
        found = self.engine.query_points(
            name,
            asked.query,
            using=asked.using,
            prefetch=asked.prefetch,
            query_filter=asked.filter,
            limit=asked.limit or 10,
        )
        return _json(found)

    def _count(self, name: str, _body: dict[str, Any]) -> Any:  # noqa: ANN401
        return _json(self.engine.count(name))


_DONE = {"operation_id": 0, "status": "completed"}
_ROUTES = {
    ("PUT", "/points/vectors"): "_set_vectors",
    ("PUT", "/index"): "_index",
    ("PUT", "/points"): "_upsert",
    ("POST", "/points"): "_retrieve",
    ("POST", "/points/delete"): "_delete",
    ("POST", "/points/batch"): "_batch",
    ("POST", "/points/scroll"): "_scroll",
    ("POST", "/points/query"): "_query",
    ("POST", "/points/count"): "_count",
}


def beyond(strict: models.StrictModeConfigOutput | None, path: str, body: dict[str, Any]) -> str | None:
    """What a strict mode says to a request; None if it allows it."""
    if strict is None or not strict.enabled:
        return None
    asked = body.get("limit", len(body.get("ids", ()))) if path.endswith(("/scroll", "/query", "/points")) else 0
    asked = max([asked, *(one.get("limit", 0) for one in body.get("prefetch") or ())])
    written = len(body.get("batch", {}).get("ids", ())) or len(body.get("points", ()))
    if strict.max_query_limit and asked > strict.max_query_limit:
        return f'Limit exceeded {asked} > {strict.max_query_limit} for "limit". Help: Reduce the "limit" parameter.'
    if strict.upsert_max_batchsize and written > strict.upsert_max_batchsize and not path.endswith("/delete"):
        return f'Limit exceeded {written} > {strict.upsert_max_batchsize} for "upsert limit"'
    if strict.search_allow_exact is False and body.get("exact"):
        return 'Forbidden: Exact search is not allowed. Help: Set "exact" to false.'
    return None


def unindexed(behaviour: Misbehaviour, asked: Mapping[str, Any] | None) -> str | None:
    """What a strict mode says to a filter by a field without an index of the kind that is needed."""
    if behaviour.strict is None or behaviour.strict.unindexed_filtering_retrieve is not False:
        return None
    for key, kinds in _needed_indexes(asked or {}):
        kind = behaviour.indexes.get(key)
        if kind is None or (kinds and kind not in kinds):
            needed = f'"{key}" of one of the following types: [{", ".join(kinds)}]'
            return f"Bad request: Index required but not found for {needed}. Help: Create an index for this key"
    return None


def _needed_indexes(asked: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """The keys of a filter with the kinds of index that each condition needs; without any, all will do."""
    for condition in [one for name in ("must", "should", "must_not") for one in asked.get(name) or ()]:
        if "is_empty" in condition:
            yield condition["is_empty"]["key"], []
        elif "key" in condition:
            ends = (condition.get("range") or {}).values()
            kinds = ["datetime"] if any(isinstance(end, str) for end in ends) else ["float", "integer"]
            if value := condition.get("match"):
                kinds = [{str: "keyword", bool: "bool", int: "integer"}[type(value["value"])]]
            yield condition["key"], kinds
        else:
            yield from _needed_indexes(condition)


def _json(answer: Any) -> Any:  # noqa: ANN401
    return to_jsonable_python(answer, exclude_none=True)
