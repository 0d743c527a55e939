"""Requests that the OpenAPI description allows and forbids, made by schemathesis and sent to a real socket."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from embed_plugin import EncoderSettings
from embed_plugin.serve import ServeSettings
from embed_plugin.serve.models.loading import load_models
from serve.conftest import serving
from support.sparse_checkpoints import checkpoint_of, exported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from serve.conftest import RunningServer

COMMAND = Path(sys.executable).with_name("st")
CHECKS = "status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection"


@pytest.fixture(params=["an encoder", "three kinds"])
def described(
    request: pytest.FixtureRequest, tiny_model: Callable[..., Path], tiny_reranker: Callable[..., Path], tmp_path: Path
) -> Iterator[RunningServer]:
    folders = [tiny_model()]
    if request.param == "three kinds":
        folders += [
            tiny_reranker(),
            exported(checkpoint_of("splade-queries", tmp_path / "splade-queries"), tmp_path / "s"),
        ]
    with serving(load_models(folders, EncoderSettings()), ServeSettings(port=0, texts=300)) as running:
        yield running


@pytest.mark.skipif(not COMMAND.exists(), reason="needs schemathesis, of the extra dev")
def test_requests_made_from_the_description_are_answered_as_it_says(described: RunningServer, tmp_path: Path) -> None:
    def answered(status: str) -> float:
        families = described.service.metrics.registry.collect()
        samples = (sample for family in families for sample in family.samples)
        return sum(each.value for each in samples if each.labels.get("status") == status)

    before = answered("422")
    command = [str(COMMAND), "run", f"{described.url}/openapi.json", "--phases", "coverage,fuzzing"]
    command += ["--max-examples", "25", "--checks", CHECKS, "--no-shrink", "--continue-on-failure", "--seed", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout
    assert answered("422") > before + 50
    assert answered("500") == 0
    assert described.embed(["the cat"]).status_code == 200
