"""The example is run; `make test-haystack` has the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from conftest import minilm, tiny_model  # the repository's fixtures
from embed_plugin import Encoder

haystack = pytest.importorskip("haystack")
embedders = pytest.importorskip("embed_plugin_haystack")

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["minilm", "tiny_model"]


def test_vectors_are_the_encoders_and_a_saved_component_gives_them_again(tiny_model: Callable[..., Path]) -> None:
    folder = str(tiny_model())
    encoder = Encoder.load(folder)
    text = embedders.EmbedPluginTextEmbedder.from_dict(embedders.EmbedPluginTextEmbedder(folder).to_dict())
    assert text.run("the cat")["embedding"] == encoder.encode_queries(["the cat"])[0].tolist()
    (document,) = embedders.EmbedPluginDocumentEmbedder(folder).run([haystack.Document(content="the cat")])["documents"]
    assert document.embedding == encoder.encode_documents(["the cat"])[0].tolist()


@pytest.mark.real_model
def test_the_example_finds_what_is_meant(minilm: Callable[[str], Path]) -> None:
    command = [sys.executable, embedders.__file__, str(minilm("int8")), "make a file smaller"]
    environment = {**os.environ, "HAYSTACK_TELEMETRY_ENABLED": "False"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[0].endswith("Compress bytes with gzip.")
