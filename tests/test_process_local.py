from __future__ import annotations

import os
import threading

import pytest

from embed_plugin.process_local import ProcessLocal


def test_all_threads_get_one_value_and_it_is_made_once() -> None:
    local, made = ProcessLocal[object](), list[object]()
    start = threading.Barrier(8)

    def make() -> object:
        made.append(object())
        return made[-1]

    def call() -> None:
        start.wait()
        found.append(local.get(make))

    found: list[object] = []
    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == made * 8


def test_a_value_that_could_not_be_made_is_made_when_next_asked_for() -> None:
    local = ProcessLocal[int]()
    with pytest.raises(ZeroDivisionError):
        local.get(lambda: 1 // 0)
    assert (local.get(lambda: 7), local.get(lambda: 8)) == (7, 7)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_makes_its_own() -> None:
    local = ProcessLocal[int]()
    local.get(os.getpid)
    child = os.fork()
    if child == 0:
        os._exit(local.get(os.getpid) != os.getpid())
    assert os.waitpid(child, 0)[1] == 0
    assert local.get(lambda: 0) == os.getpid()
