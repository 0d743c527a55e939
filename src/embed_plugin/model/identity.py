"""Compute the fingerprint, the identity of a vector space: vectors are comparable only if fingerprints are equal.

Scores, sparse vectors and token vectors have one too.

The graph for own kernels is not part of it, for it is only another way to compute the same vectors. Nor are other files
in the folder, or the source of the checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.model.spec import ModelSpec

IDENTITY_FIELDS = ("pooling", "dimension", "max_tokens", "query_prefix", "document_prefix", "precision")
"""Fields of :class:`~embed_plugin.model.spec.ModelSpec` that change a vector's numbers."""

IDENTITY_FILES = ("model.onnx", "model.onnx.data", "tokenizer.json", "query_weights.npy")
"""Files of a model folder that change them: the plain graph, its weights, the tokenizer, a sparse encoder's table of
queries."""


def fingerprint_of(spec: ModelSpec) -> str:
    """Return the sha256 (hex) of everything in a spec that changes a vector's numbers, as canonical JSON."""
    identity: dict[str, object] = {name: getattr(spec, name) for name in IDENTITY_FIELDS}
    if spec.kinds != ("embedding",):  # an embedding's identity is that of folders made before there were other kinds
        identity |= {"kinds": spec.kinds, "facts": spec.facts}
    identity["files"] = {name: spec.files[name] for name in IDENTITY_FILES if name in spec.files}
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def fingerprint_of_cut(fingerprint: str, dimension: int, *, layer_norm: bool) -> str:
    """Return the identity of vectors that are cut after the model gave them: sha256 (hex) of these three as JSON."""
    canonical = json.dumps([fingerprint, dimension, layer_norm], separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def fingerprint_of_api_model(provider: str, model: str, dimension: int) -> str:
    """Return the identity of a model known only through an API: its provider, name and dimension."""
    return f"{provider}/{model}/{dimension}"


def file_sha256(path: Path) -> str:
    """Return the sha256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
