from __future__ import annotations

import gc
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import InvalidInputError, SpaceMismatchError, TargetError
from embed_plugin.ingest import open_client, open_sink
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENCODER = FakeEncoder()


@contextmanager
def server(status: int, body: bytes = b"{}") -> Iterator[str]:
    """An HTTP server that gives one answer to everything; there is no gRPC beside it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}"
        finally:
            listening.shutdown()
            thread.join()


def test_http_is_used_where_grpc_does_not_answer() -> None:
    body = b'{"result": {"collections": [{"name": "notes"}]}, "status": "ok", "time": 0}'
    with server(200, body) as url, open_sink(url, "notes") as sink:
        assert sink.collections() == ["notes"]


@pytest.mark.parametrize(
    ("status", "says"), [(401, "needs an API key.*QDRANT_API_KEY"), (403, "--api-key"), (500, "refused: .*500")]
)
def test_the_answer_of_a_server_that_refuses_is_explained(status: int, says: str) -> None:
    with server(status) as url, pytest.raises(TargetError, match=f"{url} .*{says}"):
        open_client(url)


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"", b'{"result": {"another": 1}}'])
def test_a_server_that_is_not_qdrant_is_said_to_be_none(body: bytes) -> None:
    with server(200, body) as url, pytest.raises(TargetError, match=f"{url} does not answer as Qdrant does"):
        open_client(url)


def test_a_page_of_a_firewall_is_not_shown() -> None:
    with (
        server(403, b"<html>\x1b[31mno</html>") as url,
        pytest.raises(TargetError, match=r"403 Forbidden\. No API key"),
    ):
        open_client(url)


# qdrant-client leaves the lock file open when it cannot lock it
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_folder_in_use_is_refused_by_name(tmp_path: Path) -> None:
    folder = str(tmp_path / "qdrant")
    with open_sink(folder, "c") as sink:
        sink.prepare(FakeEncoder())
        with pytest.raises(TargetError, match=rf"{folder}: it is open in another process"):
            open_client(folder)
    gc.collect()  # its ResourceWarning belongs to this test, not to the next one


def test_a_folder_is_made_with_its_first_collection(tmp_path: Path) -> None:
    folder = tmp_path / "qdrant"
    with open_sink(str(folder), "c") as sink, open_sink(str(folder), "c") as other:
        assert (sink.collections(), folder.exists()) == ([], False)
        with open_sink(str(folder), "c") as first:
            first.prepare(FakeEncoder())
        with pytest.raises(SpaceMismatchError):
            sink.prepare(FakeEncoder(fingerprint="another"))
        sink.close()
        other.prepare(FakeEncoder())  # another run has made the collection meanwhile
        assert other.check(FakeEncoder())


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://127.0.0.1:1/prefix"])
def test_a_server_that_does_not_answer_is_named(url: str) -> None:
    with pytest.raises(TargetError, match=rf"no Qdrant server answers at {url} .*Check that it runs"):
        open_client(url)


@pytest.mark.parametrize("target", ["", "localhost:6333", "grpc://localhost:6334"])
def test_a_target_that_is_no_folder_and_no_url_is_refused(target: str) -> None:
    with pytest.raises(InvalidInputError, match="http://localhost:6333"):
        open_client(target)


def test_a_folder_with_other_files_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    for create in (True, False):
        with pytest.raises(TargetError, match="no Qdrant folder"):
            open_sink(str(tmp_path), "c", create=create)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_damaged_folder_is_an_error_of_the_target(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text("")
    with pytest.raises(TargetError, match=str(tmp_path)):
        open_client(str(tmp_path))


def test_a_missing_folder_is_not_made_when_that_is_not_wanted(tmp_path: Path) -> None:
    with open_sink(str(tmp_path / "qdrant"), "c", create=False) as sink:
        assert not sink.check(ENCODER)
    assert list(tmp_path.iterdir()) == []


def test_each_folder_is_opened_by_the_engine_that_made_it(tmp_path: Path) -> None:
    for target in (str(tmp_path / "local"), f"edge:{tmp_path / 'edge'}"):
        with open_sink(target, "c") as sink:
            sink.prepare(ENCODER)
    for name in ("local", "edge"):
        with open_sink(str(tmp_path / name), "c", create=False) as sink:
            assert sink.check(ENCODER), name
    with pytest.raises(TargetError, match=r"made by qdrant-client's local mode\. Name it without edge:"):
        open_sink(f"edge:{tmp_path / 'local'}", "c")
    with pytest.raises(TargetError, match="no Qdrant folder"):
        open_client(str(tmp_path / "edge"))


def test_an_edge_folder_in_use_is_refused_by_name(tmp_path: Path) -> None:
    target = f"edge:{tmp_path / 'edge'}"
    with open_sink(target, "c") as sink, open_sink(target, "c") as second:
        sink.prepare(ENCODER)
        assert sink.count() == 0
        with pytest.raises(TargetError, match=rf"{tmp_path / 'edge'}: it is open already, here or in another process"):
            second.count()


def test_an_edge_folder_with_other_files_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(TargetError, match="no Qdrant folder"):
        open_sink(f"edge:{tmp_path}", "c")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_damaged_edge_collection_is_an_error_of_the_target(tmp_path: Path) -> None:
    target = f"edge:{tmp_path / 'edge'}"
    with open_sink(target, "c") as sink:
        sink.prepare(ENCODER)
    (tmp_path / "edge" / "c" / "collection.json").write_text("{")
    with open_sink(target, "c") as sink, pytest.raises(TargetError, match=r"collection\.json cannot be read"):
        sink.check(ENCODER)


def test_a_missing_edge_folder_is_not_made_by_looking(tmp_path: Path) -> None:
    with open_sink(f"edge:{tmp_path / 'edge'}", "c", create=False) as sink:
        assert not sink.check(ENCODER)
        assert sink.collections() == []
    assert list(tmp_path.iterdir()) == []
