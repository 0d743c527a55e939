"""The late-interaction encoder, for users: one unit vector for each token of a text, as ColBERT has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from embed_plugin.encode.kinds.marked_tokenizer import MarkedTokenizer
from embed_plugin.encode.kinds.token_pooling import pool_tokens
from embed_plugin.encode.settings import EncoderSettings
from embed_plugin.encode.text_model import TextModel
from embed_plugin.errors import InvalidInputError, InvalidTextError
from embed_plugin.model.cache import find_model_folder
from embed_plugin.model.late_interaction import LateInteractionFacts
from embed_plugin.texts import iterable_of_texts, list_of_texts

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from embed_plugin.encode.text_model import Tokenise
    from embed_plugin.max_sim import TokenVectors
    from embed_plugin.types import Kind, Role, TokenisedTexts


class LateInteractionEncoder(TextModel):
    """Turns texts into one unit vector for each token, which are compared by max-sim (:func:`embed_plugin.maxsim`).

    A text's vectors depend on that text alone: they are the same, bit for bit, alone, in any batch and for any number
    of workers. One encoder may be called from any number of threads and tasks at once. It pickles as its folder and
    settings.

    Example:
        >>> encoder = LateInteractionEncoder.load("models/colbert-int8")  # doctest: +SKIP
        >>> query, = encoder.encode_queries(["how do I read a file?"])  # doctest: +SKIP
        >>> maxsim(query, encoder.encode_documents(["Call open(path).", "Cats sleep."]))  # doctest: +SKIP
        array([27.1, 14.3], dtype=float32)
    """

    kind: ClassVar[Kind] = "late-interaction"

    def __init__(self, folder: Path | TextModel, settings: EncoderSettings, in_folder: str | None = None) -> None:
        """Load a model folder, which must have the fingerprint ``in_folder`` if given. :meth:`load` is for users."""
        super().__init__(folder, settings, in_folder)
        facts = LateInteractionFacts.read(self.spec.facts)
        self._tokenizer = MarkedTokenizer(self.runtime.tokenizer, facts, document_length=self.spec.max_tokens)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], settings: EncoderSettings | None = None) -> LateInteractionEncoder:
        """Load a model folder made by ``embed-plugin export`` from a ColBERT checkpoint.

        Args:
            folder: The model folder, or the hub id of a model that ``embed-plugin export HUB_ID`` has prepared.
            settings: How to run; the defaults suit the machine.

        Raises:
            ModelFolderError: the folder is missing, damaged, of another kind or version; or, with
                ``on_other_cpu="error"``, gives other vectors on this class of CPU.
        """
        return cls(find_model_folder(folder), settings or EncoderSettings())

    def __reduce__(self) -> tuple[type[LateInteractionEncoder], tuple[object, ...]]:
        """Pickle as folder, settings and fingerprint: the receiving process loads its own session."""
        return type(self), (self.folder, self.settings, self._in_folder)

    @property
    def dimension(self) -> int:
        """Length of a token's vector."""
        return self.spec.dimension

    def limit(self, role: Role) -> int:
        """Most tokens of a text of this role, special tokens, prefix and marker included."""
        return self._tokenizer.limit(role)

    def tokenise(self, texts: Sequence[str], *, role: Role) -> TokenisedTexts:
        """Put prefix and marker to each text, tokenise, and fill queries up, for callers who submit to the runtime.

        Texts beyond the limit are cut and named in the result, whatever ``on_long`` says.

        Raises:
            InvalidInputError: ``texts`` is no list of texts.
            InvalidTextError: a text is not a str, holds a lone surrogate, or has no token at all.
        """
        return self._tokenizer.tokenise(list_of_texts(texts), role=role, prefix=self.spec.prefix(role), first_index=0)

    def encode_documents(self, texts: Sequence[str], *, pool_factor: int = 1) -> list[TokenVectors]:
        """Encode documents. Tokens of the checkpoint's skip list, punctuation most often, have no vector.

        Args:
            texts: Any number of texts.
            pool_factor: Pool like tokens' vectors to about one for each so many: 2 halves what is stored.

        Returns:
            For each text float32 ``(tokens, dimension)``, rows of unit length in the order of the tokens; if pooled,
            the first token's and then the clusters'.

        Raises:
            InvalidInputError: ``texts`` is no list of texts, or the factor is no whole number from 1 on.
            InvalidTextError: a text is not a str, holds a lone surrogate, has a token that the model does not know, or,
                with ``on_long="error"``, is too long.
        """
        _check_factor(pool_factor)
        return list(_pooled(self._all(list_of_texts(texts), self._tokenise("document")), pool_factor))

    def encode_queries(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Encode queries: every token has a vector, those that the checkpoint fills queries up with included.

        Raises:
            InvalidInputError: as :meth:`encode_documents`.
            InvalidTextError: as :meth:`encode_documents`.
        """
        return list(self._all(list_of_texts(texts), self._tokenise("query")))

    def stream_documents(self, texts: Iterable[str], *, pool_factor: int = 1) -> Generator[TokenVectors, None, None]:
        """Yield the token vectors of each document in input order, in memory that does not grow."""
        _check_factor(pool_factor)
        return _pooled(self._stream(iterable_of_texts(texts), self._tokenise("document")), pool_factor)

    def stream_queries(self, texts: Iterable[str]) -> Generator[TokenVectors, None, None]:
        """:meth:`stream_documents` for queries."""
        return self._stream(iterable_of_texts(texts), self._tokenise("query"))

    async def aencode_documents(self, texts: Sequence[str], *, pool_factor: int = 1) -> list[TokenVectors]:
        """:meth:`encode_documents` for asyncio: the loop stays free, and concurrent callers share batches."""
        import asyncio  # noqa: PLC0415 - as in TextModel: a program of asyncio has it already

        _check_factor(pool_factor)
        vectors = await self._aall(list_of_texts(texts), self._tokenise("document"))
        return vectors.tolist() if pool_factor == 1 else await asyncio.to_thread(_all_pooled, vectors, pool_factor)

    async def aencode_queries(self, texts: Sequence[str]) -> list[TokenVectors]:
        """:meth:`encode_queries` for asyncio."""
        return list(await self._aall(list_of_texts(texts), self._tokenise("query")))

    def _tokenise(self, role: Role) -> Tokenise:
        """Return the step from a window of texts to tokens."""
        prefix = self.spec.prefix(role)

        def tokenise(texts: list[str], first_index: int) -> TokenisedTexts:
            tokenised = self._tokenizer.tokenise(texts, role=role, prefix=prefix, first_index=first_index)
            if tokenised.cut and self.settings.on_long == "error":
                limit = f"{self._tokenizer.limit(role)} tokens that a {role} of this model has"
                problem = f"has more than the {limit}; split it, or set on_long='truncate'"
                raise InvalidTextError(first_index + tokenised.cut[0], problem)
            return tokenised

        return tokenise


def _check_factor(pool_factor: int) -> None:
    """Refuse a factor that is no whole number from 1 on."""
    if type(pool_factor) is not int or pool_factor < 1:
        raise InvalidInputError(f"pool_factor is {pool_factor!r}; expected a whole number of at least 1")


def _pooled(vectors: Iterable[TokenVectors], factor: int) -> Generator[TokenVectors, None, None]:
    """Pool the vectors of each text."""
    for each in cast("Iterator[TokenVectors]", vectors):
        yield pool_tokens(each, factor)


def _all_pooled(vectors: Iterable[TokenVectors], factor: int) -> list[TokenVectors]:
    return list(_pooled(vectors, factor))
