"""Retrieval quality on SciFact: nDCG@10 of each contender's vectors."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from contenders.lineup import Lineup, say
from embed_plugin.evaluate import evaluate_retrieval, read_retrieval_dataset
from lib.workloads import QUERY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from contenders import Contender
    from embed_plugin import Vectors

BLOCK_TEXTS = 1024


class ContenderFailedError(Exception):
    """The contender failed; the lineup has the reason."""


class RemoteEncoder:
    """A contender in its process as a :class:`embed_plugin.TextEncoder`."""

    def __init__(self, lineup: Lineup, contender: Contender, scratch: Path) -> None:
        self.lineup = lineup
        self.contender = contender
        self.scratch = scratch
        self.blocks = 0
        self.dimension = 0
        self.max_tokens = 512
        self.fingerprint = contender.name

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Send the texts in a file, and read the vectors from another."""
        self.blocks += 1  # a new name each time: the process keeps what it has read
        file, target = (self.scratch / f"quality-{self.blocks}.{suffix}" for suffix in ("json", "npy"))
        file.write_text(json.dumps(list(texts)), encoding="utf-8")
        if self.lineup.ask(self.contender, "encode", {"texts": str(file), "save": str(target)}) is None:
            raise ContenderFailedError
        vectors: Vectors = np.load(target)
        self.dimension = vectors.shape[1]
        return vectors

    def encode_queries(self, texts: Sequence[str], *, instruction: str | None = None) -> Vectors:
        """The models here have no prefixes, and no dataset gives an instruction."""
        del instruction
        return self.encode_documents(texts)

    def stream_documents(self, texts: Iterable[str]) -> Iterator[npt.NDArray[np.float32]]:
        """Encode block by block."""
        left = iter(texts)
        while block := list(islice(left, BLOCK_TEXTS)):
            yield from self.encode_documents(block)

    def count_tokens(self, texts: Sequence[str], *, role: str = "document") -> npt.NDArray[np.int64]:
        """Not needed by the evaluation."""
        raise NotImplementedError


def quality(lineup: Lineup, scifact: Path, scratch: Path) -> dict[str, float]:
    """NDCG@10 in per cent of each contender that could be evaluated."""
    dataset = read_retrieval_dataset(scifact)
    lineup.load(QUERY)
    figures: dict[str, float] = {}
    for contender in lineup.standing():
        say(f"  quality: {contender.name} on SciFact")
        try:
            result = evaluate_retrieval(RemoteEncoder(lineup, contender, scratch), dataset)
        except ContenderFailedError:
            continue
        figures[contender.name] = 100 * result.means["ndcg@10"]
    return figures
