"""A folder is opened again, by a forked child, a copy or a pickle, only as the same model."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from embed_plugin import EmbedPluginError, Encoder, ModelFolderError
from embed_plugin.encode.opened_folder import OpenedFolder, _files
from support.emulation import emulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]
TEXTS = ["the cat", "a dog ran"]


def forked(compute: Callable[[], bytes]) -> bytes:
    """Return the result or the error of a forked child; empty if it has none within a minute."""
    if emulator():
        pytest.skip("QEMU 7.2 stops where a forked child starts threads")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        threading.Timer(60, os._exit, (1,)).start()
        try:
            os.write(writer, compute())
        except EmbedPluginError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        found = answer.read()
    os.waitpid(child, 0)
    return found


@pytest.fixture
def folder(tiny_model: Callable[..., Path], tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model(), tmp_path / "models" / "x")


def replace_model(folder: Path, tiny_model: Callable[..., Path]) -> None:
    shutil.rmtree(folder)
    shutil.copytree(tiny_model(pooling="cls"), folder)


def test_a_relative_folder_is_found_from_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    encoder = Encoder.load("models/x")
    expected = encoder.encode_documents(TEXTS).tobytes()
    monkeypatch.chdir("/")
    assert copy.deepcopy(encoder).encode_documents(TEXTS).tobytes() == expected
    assert pickle.loads(pickle.dumps(encoder)).encode_documents(TEXTS).tobytes() == expected  # noqa: S301
    assert forked(lambda: encoder.encode_documents(TEXTS).tobytes()) == expected
    assert encoder.folder == folder.absolute()


def test_a_link_that_is_set_to_another_model_is_not_opened_again(folder: Path, tiny_model: Callable[..., Path]) -> None:
    link = folder.with_name("current")
    link.symlink_to(folder)
    encoder = Encoder.load(link)
    link.unlink()
    link.symlink_to(tiny_model(pooling="cls"))
    assert b"holds another model" in forked(lambda: encoder.encode_documents(TEXTS).tobytes())


def test_a_folder_that_was_replaced_is_not_opened_again(folder: Path, tiny_model: Callable[..., Path]) -> None:
    encoder = Encoder.load(folder)
    expected, dumped = encoder.encode_documents(TEXTS).tobytes(), pickle.dumps(encoder)
    replace_model(folder, tiny_model)
    assert b"holds another model than when it was first loaded" in forked(
        lambda: encoder.encode_documents(TEXTS).tobytes()
    )
    for open_again in (lambda: pickle.loads(dumped), lambda: copy.deepcopy(encoder)):  # noqa: S301
        with pytest.raises(ModelFolderError, match="holds another model than when it was first loaded"):
            open_again()
    assert encoder.encode_documents(TEXTS).tobytes() == expected


def test_the_same_model_exported_again_is_opened(folder: Path, tiny_model: Callable[..., Path]) -> None:
    encoder = Encoder.load(folder, query_prefix="other: ")
    expected = encoder.encode_queries(TEXTS).tobytes()
    shutil.rmtree(folder)
    shutil.copytree(tiny_model(), folder)
    assert forked(lambda: encoder.encode_queries(TEXTS).tobytes()) == expected
    assert copy.deepcopy(encoder).fingerprint == encoder.fingerprint


def test_an_unchanged_folder_is_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = OpenedFolder(folder)
    monkeypatch.setattr(opened, "_verify", lambda: pytest.fail("the files were hashed again"))
    opened.open_session()


def test_a_file_of_the_same_size_is_noticed_where_no_time_of_changes_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows gives the time of its creation instead."""
    stat = type(folder).stat

    def created_once(self: Path) -> SimpleNamespace:
        found = stat(self)
        return SimpleNamespace(st_ino=found.st_ino, st_size=found.st_size, st_mtime_ns=found.st_mtime_ns, st_ctime_ns=0)

    model = folder / "model.onnx"
    size, changed = model.stat().st_size, model.stat().st_mtime_ns + 1_000_000_000
    with monkeypatch.context() as patch:
        patch.setattr(type(folder), "stat", created_once)
        before = _files(folder)
    model.write_bytes(bytes(size))
    os.utime(model, ns=(changed, changed))
    monkeypatch.setattr(type(folder), "stat", created_once)
    assert _files(folder) != before


def test_a_folder_written_to_while_it_is_loaded_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = OpenedFolder(folder)
    monkeypatch.setattr(
        "embed_plugin.encode.opened_folder.OnnxSession.of",
        lambda path, *, threads: (path / "model.onnx").write_bytes(b"other" * threads),
    )
    with pytest.raises(ModelFolderError, match="was written to while it was loaded"):
        opened.open_session()


@pytest.mark.parametrize("threads", [2, 8])
def test_the_first_calls_of_a_childs_threads_are_all_answered(tiny_model: Callable[..., Path], threads: int) -> None:
    encoder = Encoder.load(tiny_model())
    expected = encoder.encode_documents(TEXTS).tobytes()
    for _ in range(3):
        assert forked(lambda: b"".join(from_threads(encoder, threads))) == expected * threads


def from_threads(encoder: Encoder, count: int) -> list[bytes]:
    found: list[bytes] = []
    start = threading.Barrier(count)

    def call() -> None:
        start.wait()
        found.append(encoder.encode_documents(TEXTS).tobytes())

    callers = [threading.Thread(target=call) for _ in range(count)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
    return found


def test_a_child_is_told_that_a_stream_of_its_parent_is_not_its_own(tiny_model: Callable[..., Path]) -> None:
    stream = Encoder.load(tiny_model()).stream_documents(f"cat {n}" for n in range(5000))
    next(stream)
    assert b"a child must begin one of its own" in forked(lambda: b"".join(vector.tobytes() for vector in stream)[:0])


def test_a_child_knows_what_its_own_queue_holds(tiny_model: Callable[..., Path]) -> None:
    encoder = Encoder.load(tiny_model())
    with encoder.runtime.queue._lock:  # as another thread of the parent may hold it at the moment of the fork
        assert forked(lambda: str(encoder.runtime.queued_tokens.large).encode()) == b"0"
