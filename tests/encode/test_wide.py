"""Runs on several cores: the same bits, and only where they are faster and nothing else wants the cores."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conftest import HANG_SECONDS, make_checkpoint
from embed_plugin import Encoder, EncoderSettings, ModelFolderError
from embed_plugin.encode import opened_folder
from embed_plugin.encode.opened_folder import OpenedFolder
from embed_plugin.encode.wide import FIRST_PAUSE, LONGEST_PAUSE, PATIENCE, WideRuns, most_threads
from embed_plugin.errors import EncodingError, InvalidInputError
from embed_plugin.export import ExportSettings, export
from export.architectures import test_nomic
from support.emulation import emulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.types import Rows

TEXT = np.array([[2, 5, 3]])
OPENING = 10.0
CORES = "embed_plugin.encode.runtime.available_workers"


def join_opening() -> None:
    for thread in threading.enumerate():
        if thread.name == "embed-plugin-open":
            thread.join(HANG_SECONDS)


class Timed:
    """A narrow and a wide session that take as long as they are told, by a clock of their own."""

    def __init__(self, *, narrow: float = 2.0, wide: float = 1.0) -> None:
        self.seconds = {"narrow": narrow, "wide": wide}
        self.now = 0.0
        self.ran: list[str] = []
        self.error: Exception | None = None
        self.opening_error: Exception | None = None
        self.opened = threading.Event()
        self.runs = WideRuns(
            lambda _: self.take("narrow"),
            self.open,
            most_at_once=1,
            opening_seconds=OPENING / PATIENCE,
            clock=lambda: self.now,
        )

    def open(self) -> Callable[[npt.NDArray[np.int64]], Rows]:
        self.opened.set()
        if self.opening_error:
            raise self.opening_error
        return lambda _: self.take("wide")

    def take(self, which: str) -> Rows:
        self.ran.append(which)
        if which == "wide" and self.error:
            raise self.error
        self.now += self.seconds[which]
        return np.zeros((1, 1), np.float32)

    def run(self, times: int, text: npt.NDArray[np.int64] = TEXT) -> list[str]:
        """Run a text so often; returns which session ran it."""
        self.ran = []
        for _ in range(times):
            self.runs.run(text)
        return self.ran

    def run_until_open(self) -> None:
        self.run(int(OPENING / self.seconds["narrow"]))
        assert self.opened.wait(HANG_SECONDS)
        join_opening()


def test_the_second_session_is_opened_when_texts_have_taken_long_enough() -> None:
    timed = Timed()
    assert timed.run(4) == ["narrow"] * 4
    assert not timed.opened.is_set()
    timed.run_until_open()
    assert timed.run(4)[1:] == ["wide"] * 3


def test_each_size_is_compared_with_a_narrow_run_first() -> None:
    timed = Timed()
    timed.run_until_open()
    assert timed.run(3, np.ones((1, 40), np.int64)) == ["narrow", "wide", "wide"]
    assert timed.run(2, np.ones((4, 40), np.int64)) == ["narrow", "wide"]


def test_what_is_not_faster_is_tried_again_ever_more_rarely() -> None:
    timed = Timed(wide=3.0)
    timed.run_until_open()
    ran = timed.run(2000)
    tried = np.flatnonzero(np.array(ran) == "wide")
    assert np.diff(tried)[:5].tolist() == [pause + 1 for pause in (FIRST_PAUSE, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE)]


def test_when_the_other_cores_are_idle_again_the_next_trial_shows_it() -> None:
    timed = Timed(wide=30.0)
    timed.run_until_open()
    timed.run(500)
    timed.seconds["wide"] = 1.0
    assert timed.run(3 * LONGEST_PAUSE)[-LONGEST_PAUSE:] == ["wide"] * LONGEST_PAUSE


def test_a_narrow_run_that_was_held_up_changes_little() -> None:
    timed = Timed(narrow=2.0, wide=2.4)
    timed.run(1)
    timed.seconds["narrow"] = 200.0
    timed.run(1)
    timed.seconds["narrow"] = 2.0
    timed.run_until_open()
    assert timed.run(30).count("wide") <= 4


def test_a_wide_run_that_fails_is_done_on_one_core() -> None:
    timed = Timed()
    timed.run_until_open()
    timed.error = EncodingError("no memory")
    assert timed.run(3) == ["narrow", "wide", "narrow", "wide", "narrow"]


def test_a_text_that_the_model_refuses_is_not_run_twice() -> None:
    timed = Timed()
    timed.run_until_open()
    timed.run(1)
    timed.error = InvalidInputError("no such token")
    with pytest.raises(InvalidInputError, match="no such token"):
        timed.run(1)
    assert timed.ran == ["wide"]


def test_where_no_thread_can_be_started_all_stay_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    timed = Timed()
    assert timed.run(20) == ["narrow"] * 20


def test_where_the_second_session_cannot_be_opened_all_stay_narrow(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    timed = Timed()
    timed.opening_error = ModelFolderError("was replaced")
    timed.run_until_open()
    assert timed.run(20) == ["narrow"] * 20
    assert "lone texts stay on one core: was replaced" in caplog.text


@pytest.mark.parametrize(
    ("cores", "threads"), [(1, 1), (2, 2), (8, 8), (12, 8), (16, 8), (24, 12), (32, 16), (128, 16)]
)
def test_a_lone_text_has_all_of_a_few_cores_and_some_of_many(cores: int, threads: int) -> None:
    assert most_threads(cores) == threads


def make_bert(folder: Path) -> Path:
    return make_checkpoint(folder, hidden_size=192, intermediate_size=768, num_attention_heads=6)


def make_nomic(folder: Path) -> Path:
    return test_nomic.make(folder, {**test_nomic.PUBLISHED, "n_embd": 192, "n_head": 6, "n_inner": 768})


MAKE = {"bert": make_bert, "nomic": make_nomic}


@pytest.fixture(scope="module")
def wide_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make, once each, a folder of a model that is large enough for threads to share its products."""
    made: dict[tuple[str, str], Path] = {}

    def make(precision: Any, model_type: str = "bert") -> Path:  # noqa: ANN401
        key = precision, model_type
        if key not in made:
            folder = tmp_path_factory.mktemp("wide")
            checkpoint = MAKE[model_type](folder / "checkpoint")
            export(str(checkpoint), folder / "model", ExportSettings(precision=precision, min_cosine=0.9))
            made[key] = folder / "model"
        return made[key]

    return make


LENGTHS = [*range(1, 50), 95, 96, 97, 127, 128, 129, 191, 192, 193, 256, 300, 511]


@pytest.mark.parametrize("threads", [2, 5])
@pytest.mark.parametrize("model_type", ["bert", "nomic"])
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_the_bits_are_those_of_one_thread(
    precision: str, model_type: str, threads: int, wide_model: Callable[..., Path]
) -> None:
    opened = OpenedFolder(wide_model(precision, model_type))
    one = opened.open_session()
    several = opened.open_wide(one, threads=threads)
    rng = np.random.default_rng(0)
    for length in LENGTHS:
        ids = rng.integers(4, 80, (1, length))
        assert several.run(ids).tobytes() == one.run(ids).tobytes(), length


def test_a_limit_on_threads_is_found_before_onnxruntime_meets_it(wide_model: Callable[..., Path]) -> None:
    opened = OpenedFolder(wide_model("fp32"))
    session = opened.open_session()
    before = threading.stack_size(1 << 47)  # more than there are addresses
    try:
        with pytest.raises(EncodingError, match=r"cannot start 3 threads .*: raise its limit"):
            opened.open_wide(session, threads=3)
    finally:
        threading.stack_size(before)


def use_several_cores(encoder: Encoder) -> WideRuns:
    """Open the second session at the next text, and wait for it."""
    wide = encoder.runtime.queue._wide
    assert wide is not None
    wide._seconds_to_opening = 1e-9
    encoder.encode_documents(["the cat"])
    join_opening()
    assert wide._wide is not None
    return wide


def test_an_encoder_that_is_alone_gives_the_same_bits_on_several_cores(
    wide_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CORES, lambda: 4)
    folder = wide_model("int8")
    encoder, one = (Encoder.load(folder, EncoderSettings(workers=n)) for n in (4, 1))
    wide = use_several_cores(encoder)
    monkeypatch.setattr(wide, "_narrow", None)
    monkeypatch.setattr(wide, "_choose", lambda _: wide._wide)
    texts = ["the cat sat " * n for n in range(1, 40)]
    for text in texts:
        np.testing.assert_array_equal(encoder.encode_documents([text]), one.encode_documents([text]))
    np.testing.assert_array_equal(encoder.encode_documents(texts), one.encode_documents(texts))


@pytest.mark.parametrize(("workers", "cores"), [(1, 4), (4, 1)])
def test_with_one_worker_or_one_core_nothing_is_wide(
    workers: int, cores: int, wide_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CORES, lambda: cores)
    assert Encoder.load(wide_model("fp32"), EncoderSettings(workers=workers)).runtime.queue._wide is None


def test_large_weights_are_not_packed_twice(wide_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CORES, lambda: 4)
    monkeypatch.setattr(opened_folder, "LARGEST_COPY_BYTES", 1000)
    assert Encoder.load(wide_model("fp32")).runtime.queue._wide is None


def test_a_folder_that_was_replaced_is_not_opened_a_second_time(
    tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_model(precision="fp32"), tmp_path / "model")
    opened = OpenedFolder(folder)
    session = opened.open_session()
    shutil.rmtree(folder)
    shutil.copytree(tiny_model(precision="fp32", pooling="cls"), folder)
    with pytest.raises(ModelFolderError, match="holds another model"):
        opened.open_wide(session, threads=2)


FORK = """
import os, sys, threading
from embed_plugin import Encoder, EncoderSettings
import embed_plugin.encode.runtime as runtime
runtime.available_workers = lambda: 3
encoder = Encoder.load(sys.argv[1], EncoderSettings(workers=3))
encoder.runtime.queue._wide._seconds_to_opening = 1e-9
encoder.encode_documents(["the cat"])
[thread.join() for thread in threading.enumerate() if thread.name == "embed-plugin-open"]
expected = [encoder.encode_documents(["the cat sat"]).tobytes() for _ in range(4)][-1]
assert encoder.runtime.queue._wide._wide
for used in (False, True):
    child = os.fork()
    if child == 0:
        assert not used or encoder.encode_documents(["the cat sat"]).tobytes() == expected
        sys.exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.skipif(bool(emulator()), reason="QEMU 7.2 stops where a forked child starts threads")
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_a_forked_child_waits_for_no_thread_of_its_parent(precision: str, wide_model: Callable[..., Path]) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK, str(wide_model(precision))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("0\n0\n", 0), done.stderr
