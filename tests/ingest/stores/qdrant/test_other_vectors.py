"""Dense, sparse and token vectors of one point, over every kind of target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embed_plugin import maxsim
from embed_plugin.errors import InvalidInputError, InvalidTextError, SpaceMismatchError
from embed_plugin.ingest import (
    CollectionSettings,
    Fusion,
    IngestSettings,
    Observer,
    QdrantSink,
    Record,
    Rejected,
    ingest,
    migrate,
    rerank_hits,
    rescore_hits,
    search,
    verify,
)
from embed_plugin.ingest.stores.qdrant.backend import Page, PointBatch
from embed_plugin.testing import FakeEncoder, FakeLateInteractionEncoder, FakeReranker, FakeSparseEncoder
from embed_plugin.types import SparseVector
from support.every_target import KINDS, open_kind
from support.targets import place_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from embed_plugin.types import Rows

ENCODER = FakeEncoder()
NAMES = ["dense", "sparse", "late"]


def models() -> CollectionSettings:
    return CollectionSettings(sparse=FakeSparseEncoder(), late=FakeLateInteractionEncoder(8))


def records(*texts: str) -> list[Record]:
    return [Record(str(number), text) for number, text in enumerate(texts)]


def beside(sink: QdrantSink, settings: CollectionSettings | None) -> QdrantSink:
    """The same collection, opened with other models."""
    return QdrantSink(sink._backend, sink.collection, settings=settings)


@pytest.fixture(params=[*KINDS, pytest.param("server", marks=pytest.mark.server)])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[QdrantSink]:
    if request.param == "server":
        with place_at(request.getfixturevalue("own_qdrant_url")) as place, place.opened("notes") as opened:
            yield beside(opened, models())
        return
    with open_kind(request.param, tmp_path) as opened:
        yield beside(opened, models())


def encoded(sink: QdrantSink) -> list[list[str]]:
    """The documents that each model of the sink encoded."""
    settings = sink._settings
    assert isinstance(settings.sparse, FakeSparseEncoder)
    assert isinstance(settings.late, FakeLateInteractionEncoder)
    return [settings.sparse.encoded, settings.late.encoded]


def test_every_point_has_all_vectors_and_a_second_run_makes_none(sink: QdrantSink) -> None:
    encoder = FakeEncoder()
    assert ingest(records("a cat", "a dog"), encoder, sink).embedded == 2
    assert [sorted(each) for each in (encoder.encoded, *encoded(sink))] == [["a cat", "a dog"]] * 3
    verified = verify(ENCODER, beside(sink, models()))
    assert (verified.is_sound, verified.unchecked) == (True, [])
    assert verified.least_cosines == pytest.approx({"sparse": 1.0, "late": 1.0})
    resumed = beside(sink, models())
    assert ingest(records("a cat", "a dog"), encoder, resumed).embedded == 0
    assert (len(encoder.encoded), encoded(resumed)) == (2, [[], []])


def test_a_changed_text_has_new_vectors_of_every_kind(sink: QdrantSink) -> None:
    ingest(records("a cat", "a dog"), ENCODER, sink)
    again = beside(sink, models())
    encoder = FakeEncoder()
    ingest(records("a cat", "a fox"), encoder, again)
    assert [encoder.encoded, *encoded(again)] == [["a fox"]] * 3
    assert verify(ENCODER, beside(sink, models())).is_sound
    hits = search("fox", ENCODER, again, hybrid=Fusion(explain=True))
    assert [hits[0].places[name].rank for name in ("sparse", "late")] == [1, 1]


def test_words_and_tokens_find_what_the_dense_vector_misses(sink: QdrantSink) -> None:
    texts = [f"filler {number}" for number in range(40)]
    ingest(records(*texts, "the quick fox"), ENCODER, sink)
    assert "the quick fox" not in {hit.text for hit in search("quick fox", ENCODER, sink, limit=1)}
    for settings in (
        CollectionSettings(sparse=FakeSparseEncoder()),
        CollectionSettings(late=FakeLateInteractionEncoder(8)),
    ):
        one = beside(sink, settings)
        assert "the quick fox" in {hit.text for hit in search("quick fox", ENCODER, one, limit=2, hybrid=True)}
    assert search("quick fox", ENCODER, sink, limit=1, hybrid=True)[0].text == "the quick fox"


def test_explain_tells_the_place_in_every_ranking(sink: QdrantSink) -> None:
    ingest(records("the quick fox", "a slow dog"), ENCODER, sink)
    best = search("quick fox", ENCODER, sink, hybrid=Fusion(explain=True))[0]
    query, document = FakeSparseEncoder().encode_documents(["quick fox", "the quick fox"])
    assert best.places["sparse"].score == pytest.approx(query.dot(document))
    assert best.places["late"].score == pytest.approx(2.0, abs=1e-3)
    assert [best.places[name].rank for name in ("sparse", "late")] == [1, 1]
    assert best.score == pytest.approx(sum(1 / (9 + place.rank) for place in best.places.values()))


def test_equal_weights_fuse_as_the_backend_does(sink: QdrantSink) -> None:
    ingest(records("the quick fox", "a slow dog", "the slow fox runs", "quick quick"), ENCODER, sink)
    theirs = {hit.text: hit.score for hit in search("quick fox", ENCODER, sink, hybrid=True)}
    ours = {hit.text: hit.score for hit in search("quick fox", ENCODER, sink, hybrid=Fusion([1, 1, 1]))}
    assert ours == pytest.approx(theirs)
    words = search("quick quick", ENCODER, sink, hybrid=Fusion([0, 1, 0]))
    assert (words[0].text, words[0].places) == ("quick quick", {})


def test_weights_are_one_for_each_ranking(sink: QdrantSink) -> None:
    ingest(records("a"), ENCODER, sink)
    with pytest.raises(InvalidInputError, match=r"2 weights for 3 rankings: give one for each of dense, sparse, late"):
        search("a", ENCODER, sink, hybrid=Fusion([1, 1]))


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (
            CollectionSettings(sparse=FakeSparseEncoder(fingerprint="x")),
            "of the model fake-sparse, expected sparse .* x",
        ),
        (CollectionSettings(sparse="bm25"), "of the model fake-sparse, expected sparse vectors of bm25"),
        (
            CollectionSettings(late=FakeLateInteractionEncoder(8, fingerprint="y")),
            "model fake-late, expected token .* y",
        ),
    ],
)
def test_another_model_is_refused_in_writing_and_searching(
    sink: QdrantSink, other: CollectionSettings, says: str
) -> None:
    ingest(records("a"), ENCODER, sink)
    with pytest.raises(SpaceMismatchError, match=says):
        ingest(records("b"), ENCODER, beside(sink, other))
    with pytest.raises(SpaceMismatchError, match=says):
        search("a", ENCODER, beside(sink, other))
    assert sink.count() == 1


@pytest.mark.parametrize(
    ("given", "lacks"),
    [
        (None, "sparse vectors of the model fake-sparse and token vectors of the model fake-late"),
        (CollectionSettings(sparse=FakeSparseEncoder()), "has token vectors of the model fake-late, and no model"),
        (CollectionSettings(late=FakeLateInteractionEncoder(8)), "has sparse vectors of the model fake-sparse, and no"),
    ],
)
def test_nothing_is_written_without_the_model_of_each_vector(
    sink: QdrantSink, given: CollectionSettings | None, lacks: str
) -> None:
    ingest(records("a"), ENCODER, sink)
    with pytest.raises(SpaceMismatchError, match=rf"{lacks}.*--sparse DIR.*--late DIR"):
        ingest(records("b"), ENCODER, beside(sink, given))
    assert sink.count() == 1


def test_a_dense_search_needs_no_other_model_and_a_hybrid_one_does(sink: QdrantSink) -> None:
    ingest(records("a", "b"), ENCODER, sink)
    bare = beside(sink, None)
    assert search("a", ENCODER, bare, limit=1)[0].text == "a"
    with pytest.raises(SpaceMismatchError, match="no model of them was given"):
        search("a", ENCODER, bare, hybrid=True)
    assert verify(ENCODER, bare).unchecked == ["sparse", "late"]


def test_a_collection_without_them_takes_no_such_model(sink: QdrantSink) -> None:
    ingest(records("a"), ENCODER, beside(sink, None))
    with pytest.raises(SpaceMismatchError, match="no sparse vectors, expected sparse vectors of the model fake-sparse"):
        ingest(records("b"), ENCODER, sink)
    with pytest.raises(SpaceMismatchError, match="no token vectors, expected token vectors of the model fake-late"):
        search("a", ENCODER, beside(sink, CollectionSettings(late=FakeLateInteractionEncoder(8))))


def test_token_vectors_go_with_bm25(sink: QdrantSink) -> None:
    both = beside(sink, CollectionSettings(sparse="bm25", late=FakeLateInteractionEncoder(8)))
    ingest(records("the quick fox", "a slow dog"), ENCODER, both)
    hits = search("quick foxes", ENCODER, both, hybrid=Fusion(explain=True))
    assert set(hits[0].places) == {"dense", "bm25", "late"}
    assert verify(ENCODER, both).least_cosines == pytest.approx({"bm25": 1.0, "late": 1.0})


def test_verify_finds_other_vectors_of_every_kind(sink: QdrantSink) -> None:
    ingest(records("a cat", "a dog"), ENCODER, sink)
    page, _ = sink._backend.scroll(sink.collection, Page())
    (wrong,) = [point for point in page if point.payload["text"] == "a dog"]
    others: Any = sink._representations().of_documents(["the fox"])
    dense = ENCODER.encode_documents(["a dog"])
    sink._backend.upsert(sink.collection, PointBatch([wrong.id], dense, [wrong.payload], others))
    assert dict(verify(ENCODER, sink).problems) == {"other_sparse": 1, "other_late": 1}


def test_the_dense_model_alone_is_migrated(sink: QdrantSink) -> None:
    ingest(records("a cat", "a dog"), ENCODER, sink)
    before, new = [list(each) for each in encoded(sink)], FakeEncoder(16, fingerprint="new")
    assert migrate(new, sink).embedded == 2
    assert encoded(sink) == before
    assert verify(new, beside(sink, models())).is_sound
    assert migrate(ENCODER, sink, into="copy").embedded == 2
    assert encoded(sink) == before
    assert verify(ENCODER, QdrantSink(sink._backend, "copy", settings=models())).is_sound


class Picky(FakeSparseEncoder):
    """Refuses one text, as a model does that knows none of its tokens, and has no words for another."""

    def encode_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        if "bad" in texts:
            raise InvalidTextError(list(texts).index("bad"), "has no tokens")
        empty = SparseVector(np.empty(0, np.int32), np.empty(0, np.float32))
        return [empty if text == "mute" else self._vector(text) for text in texts]


class Mute(FakeLateInteractionEncoder):
    """Has no token of one text, and a number that is not finite for another."""

    def encode_documents(self, texts: Sequence[str], *, pool_factor: int = 1) -> list[Rows]:
        made = super().encode_documents(texts, pool_factor=pool_factor)
        changed = {"mute": made[0][:0], "broken": np.full((1, self.dimension), np.nan, np.float32)}
        return [changed.get(text, rows) for text, rows in zip(texts, made, strict=True)]


def test_a_text_that_a_model_refuses_is_rejected_and_an_empty_vector_is_not(sink: QdrantSink) -> None:
    settings = CollectionSettings(sparse=Picky(), late=Mute(8))
    picky, rejected = beside(sink, settings), list[Rejected]()
    ingest(records("good", "bad", "mute", "broken"), ENCODER, picky, observer=Observer(on_rejected=rejected.extend))
    reasons = {one.source_id: one.reason for one in rejected}
    assert "model of its sparse vector refused it: has no tokens" in reasons["1"]
    assert "its late vector has a component that is no finite number" in reasons["3"]
    assert {hit.text for hit in search("good", ENCODER, picky, hybrid=True)} == {"good", "mute"}
    assert verify(ENCODER, picky).is_sound


def test_many_token_vectors_go_in_several_requests(sink: QdrantSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embed_plugin.ingest.stores.qdrant.requests.REQUEST_BYTES", 20_000)
    sent, upsert = list[int](), sink._backend.upsert

    def counted(collection: str, points: PointBatch) -> None:
        sent.append(len(points.ids))
        upsert(collection, points)

    monkeypatch.setattr(sink._backend, "upsert", counted)
    texts = [" ".join(f"w{number}{word}" for word in range(30)) for number in range(8)]
    ingest(records(*texts), ENCODER, sink, settings=IngestSettings(chunk_tokens=40))
    assert sum(sent) == 8
    assert max(sent) == 2


def test_token_vectors_rank_the_candidates_as_every_max_sim_does(sink: QdrantSink) -> None:
    texts = [f"a {one} {other} fox" for one in ("quick", "slow", "red") for other in ("small", "old", "quick")]
    ingest(records(*texts, "nothing alike"), ENCODER, sink)
    late = FakeLateInteractionEncoder(8)
    candidates = search("the quick old fox", ENCODER, beside(sink, None), limit=6)
    ranked = rescore_hits("the quick old fox", candidates, late, sink, limit=6)
    (tokens,) = late.encode_queries(["the quick old fox"])
    exact = maxsim(tokens, late.encode_documents([hit.text for hit in candidates])).tolist()
    scores = dict(zip([hit.text for hit in candidates], exact, strict=True))
    assert [scores[hit.text] for hit in ranked] == pytest.approx(sorted(exact, reverse=True), abs=1e-5)
    assert [hit.score for hit in ranked] == pytest.approx(sorted(exact, reverse=True), abs=1e-5)
    assert {hit.text for hit in ranked} == scores.keys()
    assert rescore_hits("the quick old fox", candidates, late, sink, limit=1) == ranked[:1]


def test_of_equal_max_sims_the_earlier_candidate_stays_first(sink: QdrantSink) -> None:
    ingest(records("fox one", "fox two", "fox three"), ENCODER, sink)
    candidates = search("one", ENCODER, beside(sink, None))
    ranked = rescore_hits("fox", candidates, FakeLateInteractionEncoder(8), sink)
    assert [hit.text for hit in ranked] == [hit.text for hit in candidates]


def test_a_fused_list_is_ranked_by_tokens_too_and_places_stay(sink: QdrantSink) -> None:
    ingest(records("the quick fox", "a slow dog"), ENCODER, sink)
    words = beside(sink, CollectionSettings(sparse=FakeSparseEncoder()))
    hits = search("quick fox", ENCODER, words, hybrid=Fusion(explain=True))
    ranked = rescore_hits("quick fox", hits, FakeLateInteractionEncoder(8), words)
    assert ranked[0].text == "the quick fox"
    assert ranked[0].score == pytest.approx(2.0, abs=1e-3)
    assert set(ranked[0].places) == {"dense", "sparse"}


def test_token_vectors_of_another_model_rank_nothing(sink: QdrantSink) -> None:
    ingest(records("a"), ENCODER, sink)
    hits = search("a", ENCODER, sink)
    with pytest.raises(SpaceMismatchError, match=r"token vectors of the model fake-late, expected token vectors .* y"):
        rescore_hits("a", hits, FakeLateInteractionEncoder(8, fingerprint="y"), sink)
    with pytest.raises(InvalidInputError, match="the query is empty"):
        rescore_hits(" ", hits, FakeLateInteractionEncoder(8), sink)
    with pytest.raises(InvalidInputError, match="a limit of 0"):
        rescore_hits("a", hits, FakeLateInteractionEncoder(8), sink, limit=0)
    assert rescore_hits("a", [], FakeLateInteractionEncoder(8), sink) == []


def test_a_chunk_without_token_vectors_is_left_out(sink: QdrantSink) -> None:
    late = Mute(8)
    silent = beside(sink, CollectionSettings(late=late))
    ingest(records("good", "mute"), ENCODER, silent)
    hits = search("good", ENCODER, silent)
    assert (len(hits), [hit.text for hit in rescore_hits("good", hits, late, silent)]) == (2, ["good"])


def test_a_reranker_reads_the_fused_list(sink: QdrantSink) -> None:
    ingest(records("the quick fox", "a quick dog", "slow"), ENCODER, sink)
    hits = search("quick dog", ENCODER, sink, hybrid=Fusion(explain=True))
    ranked = rerank_hits("quick dog", hits, FakeReranker(), limit=1)
    assert (ranked[0].text, ranked[0].score) == ("a quick dog", 1.0)
    assert set(ranked[0].places) == set(NAMES)
