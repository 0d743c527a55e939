"""Token vectors with a smaller copy of int8 or bits, in qdrant-edge; local mode has no such copies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from embed_plugin import maxsim
from embed_plugin.ingest import CollectionSettings, Fusion, Record, ingest, open_sink, rescore_hits, search
from embed_plugin.testing import FakeEncoder, FakeLateInteractionEncoder

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.ingest.stores.collection_settings import Quantisation

pytest.importorskip("qdrant_edge")
ENCODER, LATE = FakeEncoder(), FakeLateInteractionEncoder(64)
TEXTS = [f"a {one} {other} fox" for one in ("quick", "slow", "red") for other in ("small", "old", "young")]


@pytest.mark.parametrize("quantisation", ["scalar", "binary"])
def test_a_second_stage_scores_the_vectors_themselves_and_not_the_copy(
    tmp_path: Path, quantisation: Quantisation
) -> None:
    settings, target = CollectionSettings(late=LATE, quantisation=quantisation), f"edge:{tmp_path / 'edge'}"
    with open_sink(target, "notes", settings=settings) as sink:
        ingest([Record(text, text) for text in TEXTS], ENCODER, sink)
    (facts,) = (tmp_path / "edge").glob("notes/shard/*.json")
    assert "late" in json.loads(facts.read_text(encoding="utf-8"))["vectors"]
    with open_sink(target, "notes", settings=CollectionSettings(late=LATE)) as sink:
        hits = search("the quick old fox", ENCODER, sink, limit=len(TEXTS))
        ranked = rescore_hits("the quick old fox", hits, LATE, sink, limit=len(TEXTS))
        (tokens,) = LATE.encode_queries(["the quick old fox"])
        exact = maxsim(tokens, LATE.encode_documents([hit.text for hit in ranked]))
        assert [hit.score for hit in ranked] == pytest.approx(exact.tolist(), abs=1e-4)
        by_tokens = search("quick old", ENCODER, sink, hybrid=Fusion([0, 1]), limit=1)
    assert by_tokens[0].text == "a quick old fox"
