"""Fetching from a hub: real HTTP against a small server that answers as the hub does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from importlib.util import find_spec
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import SourceError
from embed_plugin.export.checkpoint import hub as hub_source
from support.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NEEDED = {
    "config.json": b"{}",
    "tokenizer.json": b'{"version": "1.0"}',
    "modules.json": b"[]",
    "1_Pooling/config.json": b'{"pooling_mode_cls_token": true}',
    "2_Dense/config.json": b"{}",
    "2_Dense/model.safetensors": b"dense",
    "model.safetensors": b"weights",
}
UNNEEDED = {
    "README.md": b"words",
    "pytorch_model.bin": b"a pickle",
    "2_Dense/pytorch_model.bin": b"a pickle",
    "tf_model.h5": b"more",
    "onnx/model.onnx": b"a graph",
    "onnx/config.json": b"{}",
    "onnx/model.safetensors": b"again",
    "extra-model.safetensors": b"other",
}


@dataclass
class Hub:
    """The files that the server has, and the requests it got."""

    address: str = ""
    files: Mapping[str, bytes] = field(default_factory=lambda: NEEDED | UNNEEDED)
    key: str | None = None  # needed for the files; the listing of a gated model is public
    broken: bool = False
    requests: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)

    def answer(self, path: str, authorization: str | None) -> tuple[int, dict[str, str], bytes]:
        self.requests.append(path)
        if self.broken:
            return 503, {}, b""
        if "/tiny/model/" not in path + "/":  # the hub does not tell a missing model from a private one
            return 401, {"X-Error-Code": "RepoNotFound"}, b""
        if path.startswith("/api/"):
            return self.listing(path)
        if self.key is not None and authorization != f"Bearer {self.key}":
            return 401, {"X-Error-Code": "GatedRepo"}, b""
        name = path.removeprefix(f"/tiny/model/resolve/{COMMIT}/")
        content = self.files[name]
        return 200, {"ETag": f'"{sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}, content

    def listing(self, path: str) -> tuple[int, dict[str, str], bytes]:
        what, _, revision = path.removeprefix("/api/models/tiny/model").strip("/").partition("/")
        if revision not in ("", "main", "v1", COMMIT):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        tree = [
            {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
            for name, content in self.files.items()
        ]
        siblings = [{"rfilename": name} for name in self.files]
        info = {"id": "tiny/model", "sha": COMMIT, "siblings": siblings}
        return (
            200,
            {"Content-Type": "application/json"},
            json.dumps(tree if what == "tree" else info).encode(),
        )


class Handler(BaseHTTPRequestHandler):
    def __init__(self, hub: Hub, *arguments: object) -> None:
        self.hub = hub
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:
        self.send(with_body=False)

    def do_GET(self) -> None:
        self.send(with_body=True)

    def send(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        self.hub.agents.append(self.headers["User-Agent"])
        status, headers, body = self.hub.answer(path, self.headers["Authorization"])
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep the test's output quiet."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, hub))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def in_new_process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code where huggingface_hub reads its environment anew."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return subprocess.run(
        [sys.executable, "-c", code], env=clean | environment, capture_output=True, text=True, check=False
    )


def test_only_the_needed_files_are_fetched(hub: Hub, tmp_path: Path) -> None:
    folder, commit = hub_source.fetch("tiny/model", None, endpoint=hub.address, cache_dir=tmp_path)
    assert commit == COMMIT
    assert contents(folder) == NEEDED
    fetched = {path.partition(f"{COMMIT}/")[2] for path in hub.requests if "/resolve/" in path}
    assert fetched == set(NEEDED)


def test_torch_files_are_fetched_where_there_are_no_safetensors(hub: Hub, tmp_path: Path) -> None:
    modules = [{"path": "", "type": "m.Transformer"}, {"path": "2_Dense", "type": "m.Dense"}]
    files = {**NEEDED, **UNNEEDED, "modules.json": json.dumps(modules).encode()}
    del files["model.safetensors"], files["2_Dense/model.safetensors"]
    hub.files = files
    folder, commit = hub_source.fetch("tiny/model", "v1", endpoint=hub.address, cache_dir=tmp_path)
    wanted = {*NEEDED, "pytorch_model.bin", "2_Dense/pytorch_model.bin"} & set(files)
    assert (commit, set(contents(folder))) == (COMMIT, wanted)
    hub.broken = True
    assert hub_source.fetch("tiny/model", "v1", endpoint=hub.address, cache_dir=tmp_path) == (folder, commit)


def test_vocabulary_files_are_fetched_where_there_is_no_tokenizer(hub: Hub, tmp_path: Path) -> None:
    words = {"vocab.txt": b"a", "vocab.json": b"{}", "merges.txt": b""}
    hub.files = NEEDED | words
    folder, _ = hub_source.fetch("tiny/model", None, endpoint=hub.address, cache_dir=tmp_path / "a")
    assert contents(folder) == NEEDED
    hub.files = {name: content for name, content in hub.files.items() if name != "tokenizer.json"}
    folder, _ = hub_source.fetch("tiny/model", None, endpoint=hub.address, cache_dir=tmp_path / "b")
    assert contents(folder) == hub.files


@pytest.mark.parametrize("others", [{}, {"onnx/model.onnx_data": b"x", "onnx/model_fp16.onnx": b"y"}])
def test_a_ready_file_is_fetched_where_it_is_wanted(hub: Hub, tmp_path: Path, others: dict[str, bytes]) -> None:
    hub.files = NEEDED | UNNEEDED | others
    folder, _ = hub_source.fetch("tiny/model", None, endpoint=hub.address, cache_dir=tmp_path, with_onnx=True)
    assert set(contents(folder)) == {*NEEDED, "onnx/model.onnx", *(name for name in others if "data" in name)}


def test_a_ready_file_is_fetched_where_there_are_no_other_weights(hub: Hub, tmp_path: Path) -> None:
    hub.files = {
        name: content for name, content in (NEEDED | UNNEEDED).items() if not name.endswith((".bin", "tensors"))
    }
    folder, _ = hub_source.fetch("tiny/model", None, endpoint=hub.address, cache_dir=tmp_path)
    assert "onnx/model.onnx" in contents(folder)


def test_a_fetch_asks_for_the_model_alone(hub: Hub, tmp_path: Path) -> None:
    watched, cache = Watched(tmp_path), tmp_path / "cache"
    fetch = f"hub.fetch('tiny/model', endpoint={hub.address!r}, cache_dir=Path({str(cache)!r}))"
    watched.python("-c", f"from pathlib import Path; from embed_plugin.export.checkpoint import hub; {fetch}")
    assert (watched.asked, watched.files) == ([], [])
    assert {path for path in hub.requests if "/tiny/model" not in path} == set()
    assert all(re.fullmatch(r"embed-plugin/\S+; hf_hub/\S+; python/\S+", agent) for agent in hub.agents)


@pytest.mark.parametrize("revision", ["v1", "main", COMMIT])
def test_a_revision_is_a_branch_a_tag_or_a_commit(hub: Hub, tmp_path: Path, revision: str) -> None:
    folder, commit = hub_source.fetch("tiny/model", revision, endpoint=hub.address, cache_dir=tmp_path)
    assert (commit, contents(folder)) == (COMMIT, NEEDED)


def test_what_is_cached_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    first = hub_source.fetch("tiny/model", None, endpoint=hub.address, cache_dir=tmp_path)
    hub.requests.clear()
    assert hub_source.fetch("tiny/model", None, endpoint=hub.address, cache_dir=tmp_path) == first
    assert not [path for path in hub.requests if "/resolve/" in path]


@pytest.mark.parametrize("revision", [None, COMMIT])
def test_the_cached_copy_serves_when_the_hub_is_broken(hub: Hub, tmp_path: Path, revision: str | None) -> None:
    first = hub_source.fetch("tiny/model", revision, endpoint=hub.address, cache_dir=tmp_path)
    hub.broken = True
    assert hub_source.fetch("tiny/model", revision, endpoint=hub.address, cache_dir=tmp_path) == first


def test_the_cached_copy_serves_when_the_hub_is_gone(hub: Hub, tmp_path: Path, unused_address: str) -> None:
    first = hub_source.fetch("tiny/model", None, endpoint=hub.address, cache_dir=tmp_path)
    assert hub_source.fetch("tiny/model", None, endpoint=unused_address, cache_dir=tmp_path) == first


@pytest.fixture
def unused_address() -> str:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        return f"http://127.0.0.1:{server.server_port}"


@pytest.mark.usefixtures("hub")
def test_connection_refused_and_nothing_cached(unused_address: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"hub model tiny/model: not wholly .* \(Connect.*HTTPS_PROXY"):
        hub_source.fetch("tiny/model", None, endpoint=unused_address, cache_dir=tmp_path)


def test_a_broken_hub_and_nothing_cached(hub: Hub, tmp_path: Path) -> None:
    hub.broken = True
    with pytest.raises(SourceError, match=r"hub model tiny/model: not wholly .*503"):
        hub_source.fetch("tiny/model", None, endpoint=hub.address, cache_dir=tmp_path)


def test_no_such_model(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="hub model no/model: there is no such model, or it is private"):
        hub_source.fetch("no/model", None, endpoint=hub.address, cache_dir=tmp_path)


@pytest.mark.parametrize("revision", ["v2", "f" * 40])
def test_no_such_revision(hub: Hub, tmp_path: Path, revision: str) -> None:
    with pytest.raises(SourceError, match=f"hub model tiny/model at revision {revision}: no such branch"):
        hub_source.fetch("tiny/model", revision, endpoint=hub.address, cache_dir=tmp_path)


def test_a_gated_model_without_a_token(hub: Hub, tmp_path: Path) -> None:
    hub.key = "a-token-this-machine-does-not-have"
    with pytest.raises(SourceError, match=r"hub model tiny/model: its owner asks for consent.*HF_TOKEN"):
        hub_source.fetch("tiny/model", None, endpoint=hub.address, cache_dir=tmp_path)


def test_a_malformed_id_is_refused_before_any_request(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"hub model tiny/-model: not a hub id .*Expected OWNER/NAME"):
        hub_source.fetch("tiny/-model", None, endpoint=hub.address, cache_dir=tmp_path)
    assert not hub.requests


def test_the_environment_is_honoured(hub: Hub, tmp_path: Path) -> None:
    hub.key = "secret"
    code = "from embed_plugin.export.checkpoint.source import resolve; print(resolve('tiny/model@v1'))"
    environment = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path), "HF_TOKEN": "secret"}
    online = in_new_process(code, **environment)
    offline = in_new_process(code, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert re.search(rf"{re.escape(str(tmp_path))}.*name='tiny/model', revision='{COMMIT}'", online.stdout)
    assert offline.stdout == online.stdout, offline.stderr


def test_offline_with_nothing_cached(tmp_path: Path) -> None:
    code = "from embed_plugin.export.checkpoint.source import resolve; resolve('tiny/model')"
    result = in_new_process(code, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert "SourceError: hub model tiny/model: not wholly in the local cache, and HF_HUB_OFFLINE" in result.stderr


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ALL_PROXY", "socks5://proxy:1", "SOCKS"),
        pytest.param(
            *("SSL_CERT_FILE", "/nowhere", "SSL_CERT_FILE names '/nowhere'"),
            marks=pytest.mark.skipif(
                version("huggingface_hub").startswith("0."), reason="the hub's library reads other variables before 1.0"
            ),
        ),
    ],
)
def test_an_unreadable_network_variable_is_no_traceback(name: str, value: str, says: str, tmp_path: Path) -> None:
    if name == "ALL_PROXY" and find_spec("socksio"):
        pytest.skip("SOCKS proxies can be used here")
    command = [sys.executable, "-m", "embed_plugin.cli", "export", "a/b", "--out", str(tmp_path / "out")]
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9", "NO_PROXY": ""}
    environment.pop("HF_HUB_OFFLINE", None)
    done = subprocess.run(
        command, env={**environment, name: value}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
