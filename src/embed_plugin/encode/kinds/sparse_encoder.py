"""The sparse encoder, for users: a text to the weights of words of the vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from embed_plugin.encode.kinds.query_table import QueryTable
from embed_plugin.encode.settings import EncoderSettings
from embed_plugin.encode.text_model import TextModel
from embed_plugin.errors import InvalidInputError
from embed_plugin.model.cache import find_model_folder
from embed_plugin.texts import iterable_of_texts, list_of_texts

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.encode.text_model import Tokenise
    from embed_plugin.types import Kind, Results, Role, SparseVector


class SparseEncoder(TextModel):
    """Turns texts into weights of words on CPU (SPLADE and its kin).

    A vector depends on its text alone: it is the same, bit for bit, alone, in any batch and for any number of workers.
    The score of a query and a document is the dot product of their vectors. Where the checkpoint has a table of weights
    for queries, they need no run of the model. One encoder may be called from any number of threads and tasks.

    Attributes:
        folder: The model folder's absolute path.
        settings: How to run.
        spec: The model's facts.
        runtime: The steps of encoding as separate calls, the queue and the counters, for services and pipelines.

    Example:
        >>> encoder = SparseEncoder.load("models/splade-int8")  # doctest: +SKIP
        >>> vector = encoder.encode_documents(["The cat sat on the mat."])[0]  # doctest: +SKIP
        >>> encoder.decode(vector, 3)  # doctest: +SKIP
        [('cat', 2.5), ('mat', 2.4), ('sat', 1.6)]
    """

    kind: ClassVar[Kind] = "sparse"

    def __init__(self, folder: Path | TextModel, settings: EncoderSettings, in_folder: str | None = None) -> None:
        """Load a model folder, which must have the fingerprint ``in_folder`` if given. :meth:`load` is for users."""
        super().__init__(folder, settings, in_folder)
        self._table = QueryTable.of(self.folder, self.spec) if self.spec.facts["query_table"] else None

    @classmethod
    def load(cls, folder: str | os.PathLike[str], settings: EncoderSettings | None = None) -> SparseEncoder:
        """Load a model folder made by ``embed-plugin export`` of a sparse encoder.

        Args:
            folder: The model folder, or the hub id of a model that ``embed-plugin export HUB_ID`` has prepared.
            settings: How to run; the defaults suit the machine.

        Raises:
            ModelFolderError: the folder is missing, damaged, changed after export, or of another kind or version; or,
                with ``on_other_cpu="error"``, gives other vectors on this class of CPU.
        """
        return cls(find_model_folder(folder), settings or EncoderSettings())

    def __reduce__(self) -> tuple[type[SparseEncoder], tuple[object, ...]]:
        """Pickle as folder, settings and fingerprint: the receiving process loads its own session."""
        return type(self), (self.folder, self.settings, self._in_folder)

    @property
    def dimension(self) -> int:
        """Number of words of the vocabulary."""
        return cast("int", self.spec.facts.get("words", self.spec.dimension))

    @property
    def query_table(self) -> QueryTable | None:
        """The weights of queries' words, where queries need no run of the model."""
        return self._table

    @property
    def max_active(self) -> int | None:
        """Most words of a vector, as the checkpoint states it; None: any number."""
        return cast("int | None", self.spec.facts["max_active"])

    def encode_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """Encode documents.

        Args:
            texts: Any number of texts; the document prefix is put before each.

        Returns:
            One vector a text, in input order; one without any word where the model gives none.

        Raises:
            InvalidInputError: ``texts`` is no list of texts, but one str, a table, a dict, a set or an iterator.
            InvalidTextError: a text is not a str, holds a lone surrogate, has no tokens, or, with ``on_long="error"``,
                is too long.
        """
        return _listed(self._all(list_of_texts(texts), self._tokenise("document")))

    def encode_queries(self, texts: Sequence[str]) -> list[SparseVector]:
        """Encode queries: as :meth:`encode_documents`, with the query prefix; without a run where there is a table."""
        if self._table is not None:
            return list(self.stream_queries(list_of_texts(texts)))
        return _listed(self._all(list_of_texts(texts), self._tokenise("query")))

    def stream_documents(self, texts: Iterable[str]) -> Generator[SparseVector, None, None]:
        """Yield the vector of each document in input order, in memory that does not grow."""
        return self._stream(iterable_of_texts(texts), self._tokenise("document"))

    def stream_queries(self, texts: Iterable[str]) -> Generator[SparseVector, None, None]:
        """:meth:`stream_documents` for queries."""
        if self._table is None:
            return self._stream(iterable_of_texts(texts), self._tokenise("query"))
        return self._looked_up(iterable_of_texts(texts), self._table)

    async def aencode_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """:meth:`encode_documents` for asyncio: the loop stays free, and concurrent callers share batches."""
        return _listed(await self._aall(list_of_texts(texts), self._tokenise("document")))

    async def aencode_queries(self, texts: Sequence[str]) -> list[SparseVector]:
        """:meth:`encode_queries` for asyncio."""
        if self._table is None:
            return _listed(await self._aall(list_of_texts(texts), self._tokenise("query")))
        import asyncio  # noqa: PLC0415 - as in TextModel

        return await asyncio.to_thread(self.encode_queries, texts)

    def decode(self, vector: SparseVector, top_k: int | None = None) -> list[tuple[str, float]]:
        """Return the words of a vector with their weights, largest first.

        Args:
            vector: Of this model.
            top_k: Most words; None: all.

        Raises:
            InvalidInputError: the vector has an index outside the vocabulary, or ``top_k`` is no number of words.
        """
        if top_k is not None and (type(top_k) is not int or top_k < 1):
            raise InvalidInputError(f"top_k is {top_k!r}; expected a whole number of at least 1, or None for all words")
        if len(vector) and not 0 <= int(vector.indices.min()) <= int(vector.indices.max()) < self.dimension:
            found = f"the vector has the indices {vector.indices.min()} to {vector.indices.max()}"
            raise InvalidInputError(f"{found}, and this model has {self.dimension} words: give one of its own vectors")
        order = np.argsort(-vector.values, kind="stable")[:top_k]
        token = self.runtime.tokenizer.token
        return [(token(int(vector.indices[at])), float(vector.values[at])) for at in order]

    def count_tokens(self, texts: Sequence[str], *, role: Role = "document") -> npt.NDArray[np.int64]:
        """Tokens of each text, int64 ``(n,)``: special tokens and prefix included, not cut at the limit."""
        looked_up = role == "query" and self._table is not None
        tokenizer = self._table.tokenizer if looked_up and self._table else self.runtime.tokenizer
        return tokenizer.count(list_of_texts(texts), prefix=self.spec.prefix(role))

    def _tokenise(self, role: Role) -> Tokenise:
        """Return the step from a window of texts to tokens."""
        tokenise, prefix = self.runtime.tokenizer.tokenise, self.spec.prefix(role)
        return lambda texts, first_index: tokenise(texts, prefix=prefix, first_index=first_index)

    def _looked_up(self, texts: Iterable[str], table: QueryTable) -> Generator[SparseVector, None, None]:
        """Yield the vectors of queries by the table, window by window."""
        first_index = 0
        for window in self._windows(texts):
            tokenised = table.tokenizer.tokenise(window, prefix=self.spec.query_prefix, first_index=first_index)
            checked = self._checked(tokenised, first_index, table.tokenizer.max_tokens)
            yield from map(table.vector, checked.ids)
            first_index += len(window)


def _listed(results: Results) -> list[SparseVector]:
    """Return an array of objects as a list."""
    return cast("list[SparseVector]", results.tolist())
