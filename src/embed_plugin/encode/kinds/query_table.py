"""Vectors of queries from a table with a weight for each token, without a run of the model.

"Exploring l0 Sparsification for Inference-free Sparse Retrievers" (Geng et al., 2025): a query's word has one weight,
whatever stands around it. Special tokens are not put around a query, and a word that occurs twice counts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from embed_plugin.encode.outputs import largest
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.errors import ModelFolderError
from embed_plugin.model.folder import QUERY_WEIGHTS, TOKENIZER
from embed_plugin.types import SparseVector

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.model.spec import ModelSpec


@dataclass(frozen=True)
class QueryTable:
    """The table of one model.

    Attributes:
        weights: float32 ``(words,)``.
        tokenizer: That of the model, without special tokens.
        max_active: Most words of a vector; None: any number.
    """

    weights: npt.NDArray[np.float32]
    tokenizer: TextTokenizer
    max_active: int | None

    @classmethod
    def of(cls, folder: Path, spec: ModelSpec) -> QueryTable:
        """Read the table of a verified model folder.

        Raises:
            ModelFolderError: it has none that fits the vocabulary.
        """
        path = folder / QUERY_WEIGHTS
        try:
            weights = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ModelFolderError(f"{path} cannot be read ({error}): export the model again") from error
        if weights.shape != (spec.dimension,) or weights.dtype != np.float32:
            found = f"{path} is {weights.dtype} of the shape {weights.shape}"
            raise ModelFolderError(f"{found}, expected float32 ({spec.dimension},): export the model again")
        limit = cast("int", spec.facts["query_max_tokens"])
        tokenizer = TextTokenizer(folder / TOKENIZER, max_tokens=limit, special_tokens=False)
        return cls(weights, tokenizer, cast("int | None", spec.facts["max_active"]))

    def vector(self, token_ids: Sequence[int]) -> SparseVector:
        """Return the vector of a query with these tokens."""
        words = np.unique(np.asarray(token_ids, np.int32))
        words = words[self.weights[words] > 0]
        return largest(SparseVector(words, self.weights[words]), self.max_active)
