"""The identity that a migration goes to: the models that were given, and the names of their vectors.

A kind of vector that gets another model gets another name too, made of the model's fingerprint. So the vectors of two
models are never under one name, and a migration that was stopped finds those that it has made.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from embed_plugin.collection_identity import BM25
from embed_plugin.ingest.stores.bm25_settings import Bm25Settings, bm25_settings_of
from embed_plugin.ingest.stores.description import sparse_vectors_of, token_vectors_of
from embed_plugin.ingest.stores.qdrant.backend import (
    BM25_VECTOR,
    LEARNED_VECTOR,
    TOKENS_VECTOR,
    AddedVectors,
    other_vector_names,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.stores.collection_settings import CollectionSettings
    from embed_plugin.protocols import TextEncoder

_OTHERS = ("sparse", "sparse_settings", "sparse_vector", "late", "late_dimension", "late_vector")
_CHARACTERS = 16  # of a fingerprint in a name: 64 bits


def destination(identity: CollectionIdentity, encoder: TextEncoder, settings: CollectionSettings) -> CollectionIdentity:
    """The identity of a collection that has been moved to these models; a kind whose model is not given stays.

    BM25 moves to the settings that are given, otherwise keeps its own, and to the newest version of its tokens.

    Raises:
        InvalidInputError: a later release wrote the settings of BM25.
    """
    return replace(identity, **_dense(identity, encoder), **_sparse(identity, settings), **_late(identity, settings))


def space_name(fingerprint: str) -> str:
    """The name of the dense vectors of a migrated collection."""
    return f"space-{fingerprint[:_CHARACTERS]}"


def moved_others(identity: CollectionIdentity, goal: CollectionIdentity) -> dict[str, Any]:
    """The fields of the vectors beside the dense one that differ, as they are in the second identity."""
    return {name: getattr(goal, name) for name in _OTHERS if getattr(goal, name) != getattr(identity, name)}


def moved_kinds(identity: CollectionIdentity, goal: CollectionIdentity) -> frozenset[str]:
    """The kinds of vectors beside the dense one that the second identity has, and the first lacks or has otherwise."""
    before = other_vector_names(identity)
    return frozenset(kind for kind, name in other_vector_names(goal).items() if before.get(kind) != name)


def is_under_way(identity: CollectionIdentity, goal: CollectionIdentity) -> bool:
    """Return whether the migration that a collection's identity states is the one to this goal."""
    stated, moved = identity.migrating_others, moved_others(identity, goal)
    names = [(stated.get(name), moved.get(name)) for name in ("sparse_vector", "late_vector")]
    return identity.migrating_to == goal.fingerprint and all(one == other for one, other in names)


def begun_vectors(identity: CollectionIdentity) -> list[str]:
    """The names of the vectors that a migration under way makes; none for a copy that is made."""
    names = [identity.migrating_others.get(name) for name in ("sparse_vector", "late_vector")]
    if identity.migrating_to not in {None, identity.fingerprint}:
        names.append(space_name(str(identity.migrating_to)))
    return [str(name) for name in names if name]


def finished(identity: CollectionIdentity, goal: CollectionIdentity) -> CollectionIdentity:
    """The identity after the last step, with the names of the vectors that are no longer searched."""
    now = set(other_vector_names(goal).values())
    return replace(
        goal,
        superseded=tuple(name for name in _once(*identity.superseded, identity.vector) if name != goal.vector),
        superseded_others=tuple(
            name
            for name in _once(*identity.superseded_others, *other_vector_names(identity).values())
            if name not in now
        ),
        migrating_to=None,
        migrating_others={},
    )


def described_goal(fingerprint: str, others: Mapping[str, Any]) -> str:
    """The models of a migration's goal, in a message."""
    found = [f"the space {fingerprint}"]
    if others.get("sparse"):
        settings = ", ".join(f"{name} {value}" for name, value in (others.get("sparse_settings") or {}).items())
        found.append(sparse_vectors_of(others["sparse"]) + (f" ({settings})" if settings else ""))
    elif others.get("sparse_settings"):
        found.append(f"BM25 with {', '.join(f'{key} {value}' for key, value in others['sparse_settings'].items())}")
    if others.get("late"):
        found.append(token_vectors_of(others["late"]))
    return " and ".join(found)


def added_vectors(goal: CollectionIdentity, kinds: frozenset[str]) -> list[AddedVectors]:
    """The vectors of these kinds beside the dense one, as a backend adds them to a collection."""
    names = other_vector_names(goal)
    return [
        AddedVectors(names[kind], goal.late_dimension, several=True)
        if kind == TOKENS_VECTOR
        else AddedVectors(names[kind], idf=kind == BM25_VECTOR)
        for kind in sorted(kinds)
    ]


def _dense(identity: CollectionIdentity, encoder: TextEncoder) -> dict[str, Any]:
    if identity.fingerprint == encoder.fingerprint:
        return {}
    name = space_name(encoder.fingerprint)
    return {"fingerprint": encoder.fingerprint, "dimension": encoder.dimension, "vector": name}


def _sparse(identity: CollectionIdentity, settings: CollectionSettings) -> dict[str, Any]:
    if settings.sparse_name is None:
        return {}
    if settings.sparse_name == BM25:
        return _bm25(identity, settings)
    if settings.sparse_name == identity.sparse:
        return {}
    name = f"{LEARNED_VECTOR}-{settings.sparse_name[:_CHARACTERS]}"
    return {"sparse": settings.sparse_name, "sparse_settings": {}, "sparse_vector": name}


def _bm25(identity: CollectionIdentity, settings: CollectionSettings) -> dict[str, Any]:
    now = bm25_settings_of(identity.sparse_settings) if identity.sparse == BM25 else None
    chosen = replace(now or Bm25Settings(), version=Bm25Settings.version, **settings.given_for_bm25())
    if chosen == now:
        return {}
    # Whole numbers are written as 256 or 256.0, by option or by default: one form of them for the name.
    same = replace(chosen, k=float(chosen.k), b=float(chosen.b), mean_words=float(chosen.mean_words))
    written = json.dumps(same.for_identity(), sort_keys=True)
    name = f"{BM25_VECTOR}-{hashlib.sha256(written.encode()).hexdigest()[:_CHARACTERS]}"
    return {"sparse": BM25, "sparse_settings": same.for_identity(), "sparse_vector": name}


def _late(identity: CollectionIdentity, settings: CollectionSettings) -> dict[str, Any]:
    model = settings.late
    if model is None or model.fingerprint == identity.late:
        return {}
    name = f"{TOKENS_VECTOR}-{model.fingerprint[:_CHARACTERS]}"
    return {"late": model.fingerprint, "late_dimension": model.dimension, "late_vector": name}


def _once(*names: str) -> list[str]:
    return list(dict.fromkeys(names))
