"""The identity of a vector space: equal fingerprints, comparable vectors; anything else must never meet.

What is only another way to compute the same vectors is no part of it: the graph for own kernels, and whatever else may
lie in a folder. Nor is where the checkpoint came from.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.model.spec import ModelSpec

IDENTITY_FIELDS = ("pooling", "dimension", "max_tokens", "query_prefix", "document_prefix", "precision")
"""Fields of :class:`ModelSpec` that change a vector's numbers."""

IDENTITY_FILES = ("model.onnx", "model.onnx.data", "tokenizer.json")
"""Files of a model folder that do: the plain graph, its weights, the tokenizer."""


def fingerprint_of(spec: ModelSpec) -> str:
    """sha256 (hex) of everything in a spec that changes a vector's numbers, as canonical JSON."""
    identity: dict[str, object] = {name: getattr(spec, name) for name in IDENTITY_FIELDS}
    identity["files"] = {name: spec.files[name] for name in IDENTITY_FILES if name in spec.files}
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def fingerprint_of_api_model(provider: str, model: str, dimension: int) -> str:
    """The identity of a model that is known by an API alone: who serves it, its name there and its dimension."""
    return f"{provider}/{model}/{dimension}"


def file_sha256(path: Path) -> str:
    """sha256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
