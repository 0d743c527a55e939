"""``ingest`` and ``search`` with the URL of a service that misbehaves: one line on stderr, and nothing is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin.testing import FakeEncoder
from support.command_line import run
from support.embedding_server import EmbeddingServer, answer

if TYPE_CHECKING:
    from pathlib import Path

    from support.embedding_server import Fault

NAN = answer(
    np.full((1, 32), np.nan, "<f4").tobytes(),
    Embed_Model="m",
    Embed_Fingerprint="fake",
    Embed_Dimension="32",
    Embed_Truncated="",
)


@pytest.mark.parametrize(
    "fault", [NAN, answer(b"[" * 30_000), answer(b"<html>", 413), answer(b"", 307, Location="http://127.0.0.1:9/")]
)
def test_it_is_one_line_on_stderr(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "a.txt").write_text("the cat")
    with EmbeddingServer(FakeEncoder()) as server:
        to = ("--model", server.url, "--to", tmp_path / "qdrant", "--collection", "c")
        server.faults.extend([fault] * 20)
        ingested = run("ingest", tmp_path / "a.txt", *to)
        assert ingested.returncode == 1
        server.faults.clear()
        assert run("ingest", tmp_path / "a.txt", *to).returncode == 0
        server.faults.append(fault)
        searched = run("search", "cat", *to)
        assert searched.returncode == 1
        for done in (ingested, searched):
            (line,) = done.stderr.splitlines()
            assert line.startswith(f"embed-plugin: {server.url}: ")
