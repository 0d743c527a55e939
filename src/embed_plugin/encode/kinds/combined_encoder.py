"""The encoder of a model that gives several results in one run, for users: bge-m3's vector, words and token vectors."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, cast

from embed_plugin.encode.encoder import Encoder
from embed_plugin.encode.kinds.late_interaction_encoder import LateInteractionEncoder
from embed_plugin.encode.kinds.one_pass import KeptResults, PartResult, PartRuntime
from embed_plugin.encode.kinds.sparse_encoder import SparseEncoder
from embed_plugin.encode.settings import EncoderSettings
from embed_plugin.encode.text_model import TextModel
from embed_plugin.errors import ModelFolderError
from embed_plugin.model.cache import find_model_folder
from embed_plugin.texts import iterable_of_texts, list_of_texts

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

    from embed_plugin.encode.opened_folder import OpenedFolder
    from embed_plugin.encode.outputs import SeveralResults
    from embed_plugin.encode.runtime import Runtime
    from embed_plugin.encode.text_model import Tokenise
    from embed_plugin.model.spec import ModelSpec
    from embed_plugin.types import CombinedResult, Kind, Role


class CombinedEncoder(TextModel):
    """Turns each text into every result that its model gives, in one run of the model.

    Each result is the one that the class of its kind gives (:class:`~embed_plugin.Encoder`,
    :class:`~embed_plugin.SparseEncoder`, :class:`~embed_plugin.LateInteractionEncoder`), bit for bit, in any batch.

    :attr:`encoder`, :attr:`sparse` and :attr:`late` are these classes over the same session and the same runs, for what
    takes them apart: a text that :attr:`encoder` has encoded needs no other run for its words and its token vectors.

    Example:
        >>> encoder = CombinedEncoder.load("models/bge-m3")  # doctest: +SKIP
        >>> result = encoder.encode_documents(["The cat sat on the mat."])[0]  # doctest: +SKIP
        >>> result.vector.shape, len(result.words), result.tokens.shape  # doctest: +SKIP
        ((1024,), 7, (8, 1024))
    """

    kind: ClassVar[Kind] = "embedding"
    gives_all: ClassVar[bool] = True

    def __init__(self, folder: Path | TextModel, settings: EncoderSettings, in_folder: str | None = None) -> None:
        """Load a model folder, which must have the fingerprint ``in_folder`` if given. :meth:`load` is for users."""
        self._kept = KeptResults()
        super().__init__(folder, settings, in_folder)
        if len(self.spec.kinds) == 1:
            found = f"{self.folder} gives one kind of result, {self.spec.kinds[0]}"
            raise ModelFolderError(f"{found}: load it with embed_plugin.Encoder")

    @classmethod
    def load(cls, folder: str | os.PathLike[str], settings: EncoderSettings | None = None) -> CombinedEncoder:
        """Load a model folder made by ``embed-plugin export`` of a checkpoint that gives several results (bge-m3).

        Args:
            folder: The model folder, or the hub id of a model that ``embed-plugin export HUB_ID`` has prepared.
            settings: How to run; the defaults suit the machine.

        Raises:
            ModelFolderError: the folder is missing, damaged, or gives one kind of result; or, with
                ``on_other_cpu="error"``, gives other results on this class of CPU.
        """
        return cls(find_model_folder(folder), settings or EncoderSettings())

    def __reduce__(self) -> tuple[type[CombinedEncoder], tuple[object, ...]]:
        """Pickle as folder, settings and fingerprint: the receiving process loads its own session."""
        return type(self), (self.folder, self.settings, self._in_folder)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder of the vectors, over the same runs; unpickled it loads the folder for itself, as the others do.

        Raises:
            ModelFolderError: the model gives none.
        """
        return Encoder.of_loaded(self)

    @cached_property
    def sparse(self) -> SparseEncoder:
        """The encoder of the words, over the same runs.

        Raises:
            ModelFolderError: the model gives none.
        """
        return SparseEncoder.of_loaded(self)

    @cached_property
    def late(self) -> LateInteractionEncoder:
        """The encoder of the token vectors, over the same runs.

        Raises:
            ModelFolderError: the model gives none.
        """
        return LateInteractionEncoder.of_loaded(self)

    def encode_documents(self, texts: Sequence[str]) -> list[CombinedResult]:
        """Encode documents, one result a text, in input order.

        Raises:
            InvalidInputError: ``texts`` is no list of texts.
            InvalidTextError: a text is not a str, holds a lone surrogate, has no tokens or one that the model does not
                know, or, with ``on_long="error"``, is too long.
        """
        return list(self._all(list_of_texts(texts), self._tokenise("document")))

    def encode_queries(self, texts: Sequence[str]) -> list[CombinedResult]:
        """Encode queries: as :meth:`encode_documents`, with the query prefix."""
        return list(self._all(list_of_texts(texts), self._tokenise("query")))

    def stream_documents(self, texts: Iterable[str]) -> Generator[CombinedResult, None, None]:
        """Yield the result of each document in input order, in memory that does not grow."""
        return self._stream(iterable_of_texts(texts), self._tokenise("document"))

    async def aencode_documents(self, texts: Sequence[str]) -> list[CombinedResult]:
        """:meth:`encode_documents` for asyncio: the loop stays free, and concurrent callers share batches."""
        return list(await self._aall(list_of_texts(texts), self._tokenise("document")))

    async def aencode_queries(self, texts: Sequence[str]) -> list[CombinedResult]:
        """:meth:`encode_queries` for asyncio."""
        return list(await self._aall(list_of_texts(texts), self._tokenise("query")))

    def _tokenise(self, role: Role) -> Tokenise:
        """Return the step from a window of texts to tokens."""
        prefix, tokenise = self.spec.prefix(role), self.runtime.tokenizer.tokenise
        return lambda texts, first_index: tokenise(texts, prefix=prefix, first_index=first_index)

    def _runtime_beside(
        self, opened: OpenedFolder, spec: ModelSpec, settings: EncoderSettings, kinds: tuple[Kind, ...]
    ) -> Runtime:
        """Return the runtime of one kind, which shares this one's runs."""
        del settings  # this one's
        output = PartResult(kinds[0], cast("SeveralResults", self.runtime.output), self._kept)
        return PartRuntime(opened, spec, kinds[0], whole=self.runtime, output=output)
