from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from embed_plugin import MissingExtraError
from embed_plugin.optional_imports import PACKAGES_OF_EXTRA, import_part

ROOT = Path(__file__).parents[1]
OPTIONAL = sorted({package for packages in PACKAGES_OF_EXTRA.values() for package in packages})


def test_importing_the_package_loads_nothing_optional() -> None:
    code = f"import sys, embed_plugin; print([name for name in {OPTIONAL} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_missing_extra_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES_OF_EXTRA, "ingest", ("a_package_that_is_not_there",))
    with pytest.raises(
        MissingExtraError, match=r"a_package_that_is_not_there: run  pip install 'embed-plugin\[ingest\]'"
    ):
        import_part("embed_plugin.ingest", extra="ingest")


@pytest.mark.parametrize(
    "engine",
    [
        "onnxruntime",
        "tokenizers",
        "onnx",
        "safetensors",
        "huggingface_hub",
        "optimum",
        "torch",
        "transformers",
        "qdrant_client",
        "qdrant_edge",
        "tenacity",
        "mmh3",
        "snowballstemmer",
        "semantic_text_splitter",
        "bs4",
        "markdownify",
        "charset_normalizer",
        "pathspec",
        "pyarrow",
        "ray",
        "httpx",
        "fastapi",
        "starlette",
        "uvicorn",
        "prometheus_client",
        "structlog",
        "orjson",
        "matplotlib",
    ],
)
def test_an_engine_imported_elsewhere_is_a_lint_error(engine: str) -> None:
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--stdin-filename",
        "src/embed_plugin/fingerprint.py",
        "-",
    ]
    code = f"import {engine}\n\nprint({engine})\n"
    found = subprocess.run(command, input=code, capture_output=True, text=True, cwd=ROOT, check=False)
    assert found.returncode == 1
    assert "TID251" in found.stdout


def test_sessions_are_made_in_one_place() -> None:
    """A session made elsewhere lacks the options without which int8 products saturate on CPUs without VNNI."""
    places = [path for part in ("src", "tests", "benchmarks", "examples") for path in (ROOT / part).rglob("*.py")]
    makers = {path.name for path in places if "InferenceSession(" in path.read_text(encoding="utf-8")}
    assert makers == {"onnx_session.py", Path(__file__).name}
