"""Import optional parts, with an error that names the extra to install if a package is missing."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from embed_plugin.errors import MissingExtraError

if TYPE_CHECKING:
    from types import ModuleType

PACKAGES_OF_EXTRA: dict[str, tuple[str, ...]] = {
    "cli": ("typer", "rich"),
    "export": ("onnx", "safetensors", "huggingface_hub", "platformdirs"),
    "optimum": ("optimum", "torch", "transformers"),
    "ingest": (
        "charset_normalizer",
        "lxml",
        "mmh3",
        "pathspec",
        "qdrant_client",
        "semantic_text_splitter",
        "snowballstemmer",
        "tenacity",
        "tree_sitter_python",
        "webencodings",
        "yaml",
    ),
    "documents": ("docx", "pptx", "pypdfium2", "python_calamine"),
    "edge": ("qdrant_edge",),
    "mcp": ("anyio", "mcp", "uvicorn"),
    "parquet": ("pyarrow",),
    "ray": ("ray", "pandas", "pyarrow"),
    "mteb": ("mteb",),
    "picture": ("matplotlib",),
    "client": ("httpx", "tenacity"),
    "serve": ("fastapi", "httptools", "orjson", "prometheus_client", "pydantic", "structlog", "uvicorn"),
}
"""The importable packages of each extra in pyproject.toml."""


def import_part(module: str, *, extra: str) -> ModuleType:
    """Import a module of this package that needs an extra.

    Raises:
        MissingExtraError: a package of that extra is not installed; names it and the install command.
    """
    check_extra(module, extra=extra)
    return import_module(module)


def check_extra(part: str, *, extra: str) -> None:
    """Check that the packages of an extra are installed, without importing them.

    Raises:
        MissingExtraError: one is not; names the part that needs it, and the install command.
    """
    missing = [package for package in PACKAGES_OF_EXTRA[extra] if find_spec(package) is None]
    if missing:
        message = f"{part} needs {', '.join(missing)}: run  pip install 'embed-plugin[{extra}]'"
        raise MissingExtraError(message, name=missing[0])
