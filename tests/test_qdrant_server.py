"""The start of a real server, with a program in its place that answers as one does when it is ready."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from conftest import HANG_SECONDS
from support.qdrant_server import qdrant_program, started_qdrant

if TYPE_CHECKING:
    from pathlib import Path

SERVER = f"""#!{sys.executable}
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self):
        Handler.asked += 1
        self.send_response(200 if Handler.asked > 2 else 503)
        self.end_headers()
        self.wfile.write(os.getcwd().encode())

assert os.environ["QDRANT__TELEMETRY_DISABLED"] == "true"
assert os.environ["QDRANT__STORAGE__STORAGE_PATH"].startswith(os.getcwd())
assert int(os.environ["QDRANT__SERVICE__GRPC_PORT"]) == int(os.environ["QDRANT__SERVICE__HTTP_PORT"]) + 1
HTTPServer(("127.0.0.1", int(os.environ["QDRANT__SERVICE__HTTP_PORT"])), Handler).serve_forever()
"""


def put_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> str:
    (folder / "qdrant").write_text(program)
    (folder / "qdrant").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return str(folder / "qdrant")


def test_a_server_of_the_path_is_waited_for_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = put_on_path(tmp_path, monkeypatch, SERVER)
    assert qdrant_program() == program
    with started_qdrant(program, give_up_after_seconds=HANG_SECONDS) as url:
        with urlopen(url) as answer:  # noqa: S310 - our own server
            assert answer.status == 200
        assert url.startswith("http://127.0.0.1:")
    with pytest.raises(URLError):
        urlopen(url)  # noqa: S310 - our own server


def test_a_server_that_ends_is_an_error_with_what_it_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = put_on_path(tmp_path, monkeypatch, f"#!{sys.executable}\nraise SystemExit('no room on this disk')\n")
    with (
        pytest.raises(RuntimeError, match="ended with 1: no room on this disk"),
        started_qdrant(program, give_up_after_seconds=HANG_SECONDS),
    ):
        pass
