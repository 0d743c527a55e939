"""The identity of a vector space: equal fingerprints, comparable vectors; anything else must never meet."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.contracts import ModelSpec

CHANGES_NO_NUMBERS = frozenset({"fingerprint", "checked_on", "provenance"})
"""Fields of :class:`ModelSpec` that are not part of the identity; every other field is."""


def fingerprint_of(spec: ModelSpec) -> str:
    """sha256 (hex) of everything in a spec that changes a vector's numbers, as canonical JSON."""
    identity = {field.name: getattr(spec, field.name) for field in fields(spec) if field.name not in CHANGES_NO_NUMBERS}
    identity["files"] = dict(spec.files)
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def fingerprint_of_api_model(provider: str, model: str, dimension: int) -> str:
    """The identity of a model that is known by an API alone: who serves it, its name there and its dimension."""
    return f"{provider}/{model}/{dimension}"


def file_sha256(path: Path) -> str:
    """sha256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
