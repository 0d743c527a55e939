"""The reranker, for users: a query and texts -> pairs -> equal-length batches -> onnxruntime -> one score a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embed_plugin.encode.kinds.pair_tokenizer import PairTokenizer
from embed_plugin.encode.settings import EncoderSettings
from embed_plugin.encode.text_model import TextModel
from embed_plugin.model.cache import find_model_folder
from embed_plugin.scoring import best_first, checked_query, list_of_pairs, pairs_of, require_top_k
from embed_plugin.texts import list_of_texts

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.encode.text_model import Tokenise
    from embed_plugin.types import Kind, Scores


class Reranker(TextModel):
    """Scores how well texts answer a query, on CPU.

    A score depends on its query and text alone: it is the same, bit for bit, alone, in any batch, at any position and
    for any number of workers. One reranker may be called from any number of threads and tasks at once; their pairs
    share batches. It pickles as its folder and settings, and a forked child opens a session of its own; both raise
    ModelFolderError where the folder holds another model by then.

    Attributes:
        folder: The model folder's absolute path.
        settings: How to run.
        spec: The model's facts.
        runtime: The queue and the counters, for services and pipelines.
        pairs: Turns pairs into token ids, for callers who submit them to the runtime.

    Example:
        >>> reranker = Reranker.load("models/ms-marco-int8")  # doctest: +SKIP
        >>> reranker.rank("how do I read a file?", ["Call open().", "Cats sleep."], top_k=1)  # doctest: +SKIP
        [(0, 0.91)]
    """

    kind: ClassVar[Kind] = "reranker"

    def __init__(self, folder: Path | TextModel, settings: EncoderSettings, in_folder: str | None = None) -> None:
        """Load a model folder, which must have the fingerprint ``in_folder`` if given. :meth:`load` is for users."""
        super().__init__(folder, settings, in_folder)
        self.pairs = PairTokenizer(self.runtime.tokenizer, self.spec.facts)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], settings: EncoderSettings | None = None) -> Reranker:
        """Load a model folder made by ``embed-plugin export``.

        Args:
            folder: The model folder, or the hub id of a model that ``embed-plugin export HUB_ID`` has prepared.
            settings: How to run; the defaults suit the machine.

        Raises:
            ModelFolderError: the folder is missing, damaged, of another kind, changed after export, or of another
                version; or, with ``on_other_cpu="error"``, gives other scores on this class of CPU.
        """
        return cls(find_model_folder(folder), settings or EncoderSettings())

    def __reduce__(self) -> tuple[type[Reranker], tuple[object, ...]]:
        """Pickle as folder, settings and fingerprint: the receiving process loads its own session."""
        return type(self), (self.folder, self.settings, self._in_folder)

    def score(self, query: str, texts: Sequence[str], *, instruction: str | None = None) -> Scores:
        """Score texts for one query.

        Args:
            query: What is asked.
            texts: Any number of texts; an empty one has a score too.
            instruction: One line that says what the query is for, for a model that takes one; None: the model's own.

        Returns:
            float32 ``(len(texts),)``, in input order; a higher score is a better answer.

        Raises:
            InvalidInputError: the query is no text or an empty one, ``texts`` is no list of texts, or there is an
                instruction and the model takes none.
            InvalidTextError: a text is not a str, holds a lone surrogate or a token that the model does not know, or,
                with ``on_long="error"``, is too long beside the query.
        """
        return self._all(pairs_of(checked_query(query), list_of_texts(texts)), self._tokenise(instruction))

    def score_pairs(self, pairs: Sequence[tuple[str, str]], *, instruction: str | None = None) -> Scores:
        """Score pairs of a query and a text, float32 ``(len(pairs),)``; as :meth:`score`.

        Pairs with one query are faster one after another: the query is then tokenised once.
        """
        return self._all(list_of_pairs(pairs), self._tokenise(instruction))

    def rank(
        self, query: str, texts: Sequence[str], *, top_k: int | None = None, instruction: str | None = None
    ) -> list[tuple[int, float]]:
        """Rank texts for a query: (index, score) pairs, best first, of equal scores the lower index first.

        Args:
            query: What is asked.
            texts: Any number of texts.
            top_k: The most that are returned; None: all. All are scored.
            instruction: As in :meth:`score`.

        Raises:
            InvalidInputError: as :meth:`score`; or ``top_k`` is no whole number of at least 1.
            InvalidTextError: as :meth:`score`.
        """
        require_top_k(top_k)
        return best_first(self.score(query, texts, instruction=instruction), top_k)

    async def ascore(self, query: str, texts: Sequence[str], *, instruction: str | None = None) -> Scores:
        """:meth:`score` for asyncio: the loop stays free, and concurrent callers share batches."""
        return await self._aall(pairs_of(checked_query(query), list_of_texts(texts)), self._tokenise(instruction))

    async def ascore_pairs(self, pairs: Sequence[tuple[str, str]], *, instruction: str | None = None) -> Scores:
        """:meth:`score_pairs` for asyncio."""
        return await self._aall(list_of_pairs(pairs), self._tokenise(instruction))

    async def arank(
        self, query: str, texts: Sequence[str], *, top_k: int | None = None, instruction: str | None = None
    ) -> list[tuple[int, float]]:
        """:meth:`rank` for asyncio."""
        require_top_k(top_k)
        return best_first(await self.ascore(query, texts, instruction=instruction), top_k)

    def count_tokens(
        self, pairs: Sequence[tuple[str, str]], *, instruction: str | None = None
    ) -> npt.NDArray[np.int64]:
        """Tokens of each pair, int64 ``(n,)``: special tokens or prompt included, cut at the limit."""
        return np.array(self.pairs.count(list_of_pairs(pairs), instruction=instruction), dtype=np.int64)

    def _tokenise(self, instruction: str | None) -> Tokenise:
        """Return the step from a window of pairs to tokens."""
        tokenise = self.pairs.tokenise
        return lambda pairs, first_index: tokenise(pairs, first_index=first_index, instruction=instruction)
