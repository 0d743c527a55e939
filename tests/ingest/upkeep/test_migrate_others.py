"""Migrations of sparse and token vectors: only what changes is made, in place and into a copy."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qdrant_client import models as qdrant

from embed_plugin.errors import InvalidTextError, RecordError, SpaceMismatchError, TargetError
from embed_plugin.ingest import CollectionSettings, Fusion, QdrantSink, Record, ingest, migrate, search, verify
from embed_plugin.ingest.stores.qdrant.backend import Page, other_vector_names
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.ingest.stores.qdrant.client.target import open_client
from embed_plugin.testing import FakeEncoder, FakeLateInteractionEncoder, FakeSparseEncoder
from support.every_target import KINDS, open_kind
from support.grpc_qdrant import grpc_qdrant
from support.misbehaving_qdrant import misbehaving_qdrant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embed_plugin import Vectors
    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.types import Rows, SparseVector

TEXTS = ["the quick fox", "a slow dog", "running foxes", "die alten Häuser"]
GERMAN = CollectionSettings(sparse="bm25", sparse_language="german", bm25_k=0.9)
CAN_DROP = tuple(map(int, version("qdrant-client").split(".")[:2])) >= (1, 20)
"""Older local modes cannot remove sparse vectors beside a dense one without a name."""


class Models:
    """Models of every kind, which list what they encode."""

    def __init__(self, dense: str = "d1", sparse: str = "s1", late: str = "l1") -> None:
        self.dense = FakeEncoder(fingerprint=dense, dimension=16 + len(dense))
        self.sparse = FakeSparseEncoder(20_000 + 7 * ord(sparse[-1]), fingerprint=sparse)
        self.late = FakeLateInteractionEncoder(int(late[-1]) + 3, fingerprint=late)

    def settings(self, *kinds: str) -> CollectionSettings:
        return CollectionSettings(
            sparse=self.sparse if "sparse" in kinds else None, late=self.late if "late" in kinds else None
        )

    @property
    def encoded(self) -> tuple[int, int, int]:
        return len(self.dense.encoded), len(self.sparse.encoded), len(self.late.encoded)


def beside(sink: QdrantSink, settings: CollectionSettings | None = None, name: str = "notes") -> QdrantSink:
    """The same collection, or another one of that Qdrant, opened with other models."""
    return QdrantSink(sink._backend, name, settings=settings)


def filled(sink: QdrantSink, settings: CollectionSettings, texts: Sequence[str] = TEXTS) -> QdrantSink:
    """The collection with the texts' vectors by the first models."""
    ingest([Record(text, text) for text in texts], Models().dense, beside(sink, settings))
    return beside(sink)


def identity(sink: QdrantSink, name: str = "notes") -> CollectionIdentity:
    description = sink._backend.describe(name)
    assert description
    assert description.identity
    return description.identity


def vectors(sink: QdrantSink, name: str = "notes") -> dict[str, dict[str, Any]]:
    """Every vector of every point that is searched now, by kind and id."""
    now = identity(sink, name)
    points, _ = sink._backend.scroll(name, Page(vector=now.vector))
    found: dict[str, dict[str, Any]] = {"dense": {point.id: point.vector.tolist() for point in points}}  # type: ignore[union-attr]
    for kind, stored in other_vector_names(now).items():
        read = sink._backend.other_vectors(name, [point.id for point in points], stored)
        found[kind] = {
            one: vector.tolist() if isinstance(vector, np.ndarray) else vector for one, vector in read.items()
        }
    return found


@pytest.fixture(params=KINDS)
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[QdrantSink]:
    with open_kind(request.param, tmp_path) as opened:
        yield opened


@pytest.fixture(params=["folder", "edge"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[QdrantSink]:
    with open_kind(request.param, tmp_path) as opened:
        yield opened


MOVES = [
    (Models(dense="other"), (), ("dense",)),
    (Models(sparse="s2"), ("sparse",), ("sparse",)),
    (Models(late="l2"), ("late",), ("late",)),
    (Models(sparse="s2", late="l2"), ("sparse", "late"), ("sparse", "late")),
    (Models(dense="other", sparse="s2", late="l2"), ("sparse", "late"), ("dense", "sparse", "late")),
    (Models(dense="other"), ("sparse", "late"), ("dense",)),
]
"""Models, the kinds that are given beside the dense one, and those that change."""


@pytest.mark.parametrize("number", range(len(MOVES)))
@pytest.mark.parametrize("into", [None, "copy"])
def test_only_the_vectors_whose_model_changes_are_made(sink: QdrantSink, number: int, into: str | None) -> None:
    like, given, changed = MOVES[number]
    new = Models(like.dense.fingerprint, like.sparse.fingerprint, like.late.fingerprint)
    filled(sink, Models().settings("sparse", "late"))
    before = vectors(sink)
    summary = migrate(new.dense, beside(sink, new.settings(*given)), into=into)
    assert new.encoded == tuple(len(TEXTS) * (kind in changed) for kind in ("dense", "sparse", "late"))
    assert (summary.points, summary.embedded) == (4, 4 * ("dense" in changed))
    assert summary.others == {kind: 4 for kind in ("sparse", "late") if kind in changed}
    after, moved = vectors(sink, into or "notes"), beside(sink, new.settings("sparse", "late"), into or "notes")
    assert {kind for kind in before if before[kind] != after[kind]} == set(changed)
    checked = verify(new.dense, moved)
    assert checked.is_sound
    assert checked.least_cosines == pytest.approx({"sparse": 1.0, "late": 1.0})
    hits = search("quick fox", new.dense, moved, hybrid=Fusion(explain=True))
    assert [hits[0].places[kind].rank for kind in ("sparse", "late")] == [1, 1]
    assert ingest([Record(text, text) for text in [*TEXTS, "more"]], new.dense, moved).embedded == 1
    assert verify(new.dense, moved).is_sound


@pytest.mark.parametrize("into", [None, "copy"])
@pytest.mark.parametrize("kinds", [("sparse",), ("late",), ("sparse", "late")])
def test_kinds_that_a_collection_lacks_are_added(sink: QdrantSink, kinds: tuple[str, ...], into: str | None) -> None:
    filled(sink, CollectionSettings())
    before, new = vectors(sink)["dense"], Models()
    summary = migrate(new.dense, beside(sink, new.settings(*kinds)), into=into)
    assert (summary.embedded, summary.others) == (0, dict.fromkeys(kinds, 4))
    assert new.encoded == (0, *(4 * (kind in kinds) for kind in ("sparse", "late")))
    moved = beside(sink, new.settings(*kinds), into or "notes")
    checked = verify(new.dense, moved)
    assert (checked.is_sound, sorted(checked.least_cosines)) == (True, sorted(kinds))
    assert vectors(sink, into or "notes")["dense"] == before
    assert search("slow dog", new.dense, moved, limit=1, hybrid=Fusion([0.1, *[1] * len(kinds)]))[0].text == TEXTS[1]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (CollectionSettings(), CollectionSettings(sparse="bm25")),
        (CollectionSettings(sparse="bm25"), GERMAN),
        (Models().settings("sparse"), GERMAN),
        (CollectionSettings(sparse="bm25"), Models(sparse="s2").settings("sparse")),
    ],
)
def test_bm25_moves_like_a_model(sink: QdrantSink, first: CollectionSettings, second: CollectionSettings) -> None:
    filled(sink, first)
    dense = Models().dense
    summary = migrate(dense, beside(sink, second), drop_old=CAN_DROP)
    assert (dense.encoded, list(summary.others.values())) == ([], [4])
    old = [] if first.sparse is None or not CAN_DROP else ["bm25" if first.sparse == "bm25" else "sparse"]
    assert list(summary.dropped) == old
    moved = beside(sink, second)
    assert verify(dense, moved).is_sound
    # As many of the stored points as hold the word are found by it, with the collection's rarity of words.
    found = moved.rankings(dense.encode_queries(["far"])[0], limit=5, text="Häuser" if second is GERMAN else "fox")
    expected = {"die alten Häuser"} if second is GERMAN else set(TEXTS[:1])
    assert expected <= {chunk.text for _, chunk in found[next(iter(summary.names))]}
    assert ingest([Record("new", "neue Häuser")], dense, moved).embedded == 1


def test_settings_of_bm25_that_are_not_given_stay_and_an_old_version_is_renewed(sink: QdrantSink) -> None:
    filled(sink, GERMAN)
    assert migrate(Models().dense, beside(sink, CollectionSettings(sparse="bm25"))).others == {}
    old = identity(sink)
    sink._backend.update("notes", type(old)(**{**vars(old), "sparse_settings": {**old.sparse_settings, "version": 1}}))
    assert migrate(Models().dense, beside(sink, CollectionSettings(sparse="bm25", bm25_b=0.5))).others == {"bm25": 4}
    now = identity(sink).sparse_settings
    assert now == {"language": "german", "k": 0.9, "b": 0.5, "mean_words": 256, "version": 2}


class StopsError(Exception):
    pass


class StopsSparse(FakeSparseEncoder):
    def encode_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        if len(self.encoded) > 600:
            raise StopsError
        return super().encode_documents(texts)


def test_a_stopped_migration_is_searched_with_the_old_models_and_goes_on(stored: QdrantSink) -> None:
    texts = [f"text {number} x{number}" for number in range(1500)]
    first, new = Models(), Models(sparse="s2")
    filled(stored, first.settings("sparse"), texts)
    stops = CollectionSettings(sparse=StopsSparse(new.sparse.dimension, fingerprint="s2"))
    with pytest.raises(StopsError):
        migrate(first.dense, beside(stored, stops))
    old = beside(stored, first.settings("sparse"))
    hits = search("x7", first.dense, old, limit=1, hybrid=Fusion([0, 1]))
    assert [hit.text for hit in hits] == ["text 7 x7"]
    with pytest.raises(SpaceMismatchError, match="model s1, expected sparse vectors of the model s2"):
        search("x7", first.dense, beside(stored, new.settings("sparse")), hybrid=True)
    with pytest.raises(SpaceMismatchError, match="a migration under way"):
        ingest([Record("a", "a")], first.dense, old)
    for other in (Models(sparse="s3").settings("sparse"), Models().settings(), new.settings("sparse", "late")):
        with pytest.raises(SpaceMismatchError, match=r"migrates to the space d1 and sparse .* s2, not to"):
            migrate(first.dense, beside(stored, other))
    told: list[tuple[int, int]] = []
    summary = migrate(first.dense, beside(stored, new.settings("sparse")), on_progress=lambda *done: told.append(done))
    assert 0 < summary.others["sparse"] < 1500
    assert new.encoded == (0, summary.others["sparse"], 0)
    assert told[-1] == (summary.others["sparse"], 1500)
    assert verify(first.dense, beside(stored, new.settings("sparse"))).is_sound


def test_old_vectors_are_dropped_and_those_of_now_never_are(stored: QdrantSink) -> None:
    first, second = Models(), Models(dense="other", sparse="s2", late="l2")
    filled(stored, first.settings("sparse", "late"))
    for models in (second, first, second):
        migrate(models.dense, beside(stored, models.settings("sparse", "late")))
    assert second.encoded == (4, 4, 4)  # the second time they were still there
    dropped = migrate(second.dense, beside(stored, second.settings("sparse", "late")), drop_old=True).dropped
    assert sorted(dropped) == ["", "late", "late-l1", "space-d1", "sparse", "sparse-s1"]
    assert verify(second.dense, beside(stored, second.settings("sparse", "late"))).is_sound
    assert migrate(second.dense, beside(stored), drop_old=True).dropped == ()


def test_a_text_without_tokens_has_no_vector_and_is_no_reason_to_stop(sink: QdrantSink) -> None:
    class Mute(FakeLateInteractionEncoder):
        def encode_documents(self, texts: Sequence[str], *, pool_factor: int = 1) -> list[Rows]:
            made = super().encode_documents(texts, pool_factor=pool_factor)
            return [rows[:0] if text == TEXTS[1] else rows for text, rows in zip(texts, made, strict=True)]

    settings = CollectionSettings(late=Mute(4))
    filled(sink, CollectionSettings())
    assert migrate(Models().dense, beside(sink, settings)).others == {"late": 4}
    assert len(vectors(sink)["late"]) == 3
    assert verify(Models().dense, beside(sink, settings)).is_sound


def test_a_text_that_a_model_refuses_is_named(stored: QdrantSink) -> None:
    class Picky(FakeSparseEncoder):
        def encode_documents(self, texts: Sequence[str]) -> list[SparseVector]:
            if TEXTS[2] in texts:
                raise InvalidTextError(list(texts).index(TEXTS[2]), "has no tokens")
            return super().encode_documents(texts)

    filled(stored, CollectionSettings())
    with pytest.raises(RecordError, match=r"running foxes \[0\]: the model of its sparse vector refused it: has no"):
        migrate(Models().dense, beside(stored, CollectionSettings(sparse=Picky())))
    assert search(TEXTS[0], Models().dense, stored, limit=1)[0].text == TEXTS[0]


def test_points_of_another_program_are_made_too_and_those_without_text_counted() -> None:
    with open_kind("memory", Path()) as sink:
        filled(sink, CollectionSettings())
        assert isinstance(sink._backend, ClientBackend)
        rows: Vectors = Models().dense.encode_documents(["theirs", "silent"])
        payloads = [{"text": "theirs of a bird"}, {"title": "no text"}]
        sink._backend.client.upsert("notes", qdrant.Batch(ids=[1, 2], vectors=rows.tolist(), payloads=payloads))
        new = Models()
        summary = migrate(new.dense, beside(sink, new.settings("sparse")))
        assert (summary.others, summary.without_text) == ({"sparse": 5}, 1)
        copied = migrate(new.dense, beside(sink, Models(late="l2").settings("late")), into="copy")
        assert (copied.points, copied.without_text, sink._backend.count("copy")) == (6, 1, 6)
        assert len(vectors(sink, "copy")["sparse"]) == 5


def test_a_copy_begun_with_other_models_is_refused(stored: QdrantSink) -> None:
    filled(stored, CollectionSettings())
    migrate(Models().dense, beside(stored, Models().settings("sparse")), into="copy")
    with pytest.raises(TargetError, match="'copy' is there already, and no copy of 'notes' with these models' vectors"):
        migrate(Models().dense, beside(stored, Models(sparse="s2").settings("sparse")), into="copy")


@pytest.mark.parametrize(
    ("stored_with", "given", "remedy"),
    [
        (CollectionSettings(), Models().settings("sparse"), "migrate --sparse DIR"),
        (CollectionSettings(), CollectionSettings(sparse="bm25"), "migrate --sparse bm25"),
        (CollectionSettings(), Models().settings("late"), "migrate --late DIR"),
        (CollectionSettings(sparse="bm25"), GERMAN, "migrate --sparse bm25 --sparse-language german"),
    ],
)
def test_a_refusal_names_the_command_that_moves_the_collection(
    stored_with: CollectionSettings, given: CollectionSettings, remedy: str
) -> None:
    with open_kind("memory", Path()) as sink:
        filled(sink, stored_with)
        with pytest.raises(SpaceMismatchError, match=f"or move it with  embed-plugin {remedy}"):
            ingest([Record("a", "a")], Models().dense, beside(sink, given))
        with pytest.raises(SpaceMismatchError, match="or move it with  embed-plugin migrate --model DIR"):
            ingest([Record("a", "a")], Models(dense="other").dense, beside(sink))


def test_a_migration_that_was_begun_can_be_given_up(stored: QdrantSink) -> None:
    first, new = Models(), Models(dense="other", sparse="s2")
    texts = [f"text {number}" for number in range(700)]
    filled(stored, first.settings("sparse"), texts)
    stops = CollectionSettings(sparse=StopsSparse(new.sparse.dimension, fingerprint="s2"), late=new.late)
    with pytest.raises(TargetError, match=r"no migration of 'notes' in .* is under way"):
        stored.give_up_migration()
    before = vectors(stored)
    stops.sparse_model.encoded = ["as many as stop it"] * 601  # type: ignore[union-attr]
    with pytest.raises(StopsError):
        migrate(new.dense, beside(stored, stops))
    assert sorted(stored.give_up_migration()) == ["late-l1", "space-other", "sparse-s2"]
    assert vectors(stored) == before
    old = beside(stored, first.settings("sparse"))
    assert ingest([Record("more", "more")], first.dense, old).embedded == 1
    assert verify(first.dense, old).is_sound


@pytest.mark.skipif(CAN_DROP, reason="qdrant-client 1.20 can remove them")
def test_vectors_that_an_old_client_cannot_remove_are_named(tmp_path: Path) -> None:
    with open_kind("folder", tmp_path) as sink:
        filled(sink, CollectionSettings(sparse="bm25"))
        with pytest.raises(TargetError, match=r"cannot remove the vectors 'bm25'.*Upgrade it"):
            migrate(Models().dense, beside(sink, GERMAN), drop_old=True)
        assert verify(Models().dense, beside(sink, GERMAN)).is_sound


@pytest.mark.parametrize("prefer_grpc", [False, True])
def test_a_server_that_adds_no_vectors_is_left_as_it_is_and_the_copy_advised(*, prefer_grpc: bool) -> None:
    with misbehaving_qdrant() as (url, seen), grpc_qdrant(seen.engine, behaviour=seen) as (port, _):
        backend = ClientBackend(open_client(url, prefer_grpc=prefer_grpc, grpc_port=port))
        with QdrantSink(backend, "notes") as sink:
            filled(sink, CollectionSettings())
            seen.adds_no_vectors = True
            dense, new = Models().dense, Models().settings("sparse")
            with pytest.raises(TargetError, match=r"cannot add vectors to a collection that exists.* --into NAME"):
                migrate(dense, beside(sink, new))
            assert ingest([Record("more", "more")], dense, beside(sink)).embedded == 1
            assert migrate(dense, beside(sink, new), into="copy").others == {"sparse": 5}
            assert verify(dense, beside(sink, new, "copy")).is_sound
