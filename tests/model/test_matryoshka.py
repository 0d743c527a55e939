from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from embed_plugin import Encoder, read_model_folder
from embed_plugin.model.folder import write_manifest
from embed_plugin.model.matryoshka import Matryoshka, matryoshka_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOMIC = "nomic-ai/nomic-embed-text-v1.5"


@pytest.mark.parametrize(
    ("source", "dimension", "expected"),
    [
        (NOMIC, 768, Matryoshka(layer_norm=True)),
        (NOMIC, 256, Matryoshka()),  # exported with --dimension, so normalised in the graph
        ("mixedbread-ai/mxbai-embed-large-v1", 1024, Matryoshka()),
        ("sentence-transformers/all-MiniLM-L6-v2", 384, None),
        ("someone/something", 384, None),
    ],
)
def test_folders_from_before_are_looked_up_among_known_models(
    tiny_encoder: Encoder, source: str, dimension: int, expected: Matryoshka | None
) -> None:
    spec = replace(tiny_encoder.spec, source=source, dimension=dimension, provenance={})
    assert matryoshka_of(spec) == expected


def test_a_layer_norm_comes_before_the_cut(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model(), tmp_path / "model")
    spec = read_model_folder(folder)
    found = []
    for layer_norm in (False, True):
        provenance = {**spec.provenance, "matryoshka": {"lengths": [], "layer_norm": layer_norm}}
        write_manifest(folder, replace(spec, provenance=provenance))
        found.append(Encoder.load(folder, dimension=8))
    assert found[0].fingerprint != found[1].fingerprint
    assert (found[0].encode_documents(["a cat"]) != found[1].encode_documents(["a cat"])).any()
