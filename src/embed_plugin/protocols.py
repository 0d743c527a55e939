"""The interfaces of encoders, of this package or another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Future

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.types import Fields, Role, Rows, Scores, SparseVector, TokenisedTexts, Vectors


@runtime_checkable
class TextEncoder(Protocol):
    """Anything that turns texts into unit vectors of one identified space.

    :class:`embed_plugin.Encoder` is one, :class:`embed_plugin.testing.FakeEncoder` another. Ingest, search and the
    framework adapters need no more than this.
    """

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def max_tokens(self) -> int:
        """Token limit of one text, special tokens and prefix included."""

    @property
    def fingerprint(self) -> str:
        """Identity of the vector space: equal fingerprints mean comparable vectors."""

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Encode documents to ``(n, dimension)``, rows in input order."""

    def encode_queries(self, texts: Sequence[str], *, instruction: str | None = None) -> Vectors:
        """Encode queries to ``(n, dimension)``, rows in input order.

        Args:
            texts: The queries.
            instruction: One line that says what they are for, for a model that takes one; None: the model's own.

        Raises:
            EmbedPluginError: the model takes none.
        """

    def stream_documents(self, texts: Iterable[str]) -> Iterator[npt.NDArray[np.float32]]:
        """Yield one vector ``(dimension,)`` per document, in input order, in bounded memory."""

    def count_tokens(self, texts: Sequence[str], *, role: Role = "document") -> npt.NDArray[np.int64]:
        """Tokens of each text, special tokens and prefix included, not cut at the limit."""


@runtime_checkable
class TextLateInteractionEncoder(Protocol):
    """Anything that turns texts into one unit vector for each token, compared by max-sim.

    :class:`embed_plugin.LateInteractionEncoder` is one, and so is
    :class:`embed_plugin.testing.FakeLateInteractionEncoder`.
    """

    @property
    def dimension(self) -> int:
        """Length of a token's vector."""

    @property
    def fingerprint(self) -> str:
        """Identity of the vectors: equal fingerprints mean comparable ones."""

    def encode_documents(self, texts: Sequence[str], *, pool_factor: int = 1) -> list[Rows]:
        """Encode documents to ``(tokens, dimension)`` each; ``pool_factor`` tokens are pooled to about one vector."""

    def encode_queries(self, texts: Sequence[str]) -> list[Rows]:
        """Encode queries to ``(tokens, dimension)`` each."""

    def stream_documents(self, texts: Iterable[str], *, pool_factor: int = 1) -> Iterator[Rows]:
        """Yield the token vectors of each document, in input order, in bounded memory."""


@runtime_checkable
class TextSparseEncoder(Protocol):
    """Anything that turns texts into weights of words, of one identified vocabulary.

    :class:`embed_plugin.SparseEncoder` is one, :class:`embed_plugin.testing.FakeSparseEncoder` another.
    """

    @property
    def fingerprint(self) -> str:
        """Identity of the vectors: equal fingerprints mean comparable vectors."""

    def encode_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """Encode documents, one vector a text, in input order."""

    def encode_queries(self, texts: Sequence[str]) -> list[SparseVector]:
        """Encode queries, one vector a text, in input order."""

    def stream_documents(self, texts: Iterable[str]) -> Iterator[SparseVector]:
        """Yield one vector per document, in input order, in bounded memory."""


@runtime_checkable
class TextReranker(Protocol):
    """Anything that scores how well texts answer a query.

    :class:`embed_plugin.Reranker` is one, :class:`embed_plugin.testing.FakeReranker` another.
    """

    @property
    def fingerprint(self) -> str:
        """Identity of the scores: equal fingerprints mean comparable scores."""

    def score(self, query: str, texts: Sequence[str], *, instruction: str | None = None) -> Scores:
        """Score texts for a query, ``(n,)`` in input order.

        Args:
            query: What is asked.
            texts: The texts.
            instruction: One line that says what the query is for, for a model that takes one; None: the model's own.
        """

    def rank(
        self, query: str, texts: Sequence[str], *, top_k: int | None = None, instruction: str | None = None
    ) -> list[tuple[int, float]]:
        """Rank texts for a query: at most ``top_k`` (index, score) pairs, best first."""


@runtime_checkable
class TokenEncoder(Protocol):
    """Encodes in two steps, so that callers who need token counts do not tokenise a text twice.

    An encoder may offer one as its attribute ``runtime``; :class:`embed_plugin.encode.runtime.Runtime` is one.
    """

    def tokenise(self, texts: Sequence[str], *, fields: Fields | None = None) -> TokenisedTexts:
        """Put the document prefix before each text, tokenise, and cut at the limit.

        Args:
            texts: The documents.
            fields: Values of the fields that the prefix names, for each text; None where it names none.
        """

    def submit(self, tokenised: TokenisedTexts) -> Future[Vectors]:
        """Begin to encode tokenised texts to ``(n, dimension)``."""


def token_encoder_of(encoder: TextEncoder) -> TokenEncoder | None:
    """Return an encoder's ``runtime`` if it encodes in two steps, else None: a :class:`TextEncoder` need not."""
    runtime = getattr(encoder, "runtime", None)
    return runtime if isinstance(runtime, TokenEncoder) else None


def most_kept_tokens(encoder: TextEncoder) -> int | None:
    """Return the tokens of texts whose token vectors an encoder can keep until they are stored; None: it keeps none.

    An encoder whose runs give token vectors too (:attr:`embed_plugin.CombinedEncoder.encoder`) keeps them.
    """
    most: int | None = getattr(getattr(encoder, "runtime", None), "most_kept_tokens", None)
    return most


class FieldEncoder(TextEncoder, Protocol):
    """An encoder whose document prefix names fields, whose values are given with each text."""

    @property
    def document_fields(self) -> tuple[str, ...]:
        """The names of the fields."""

    def encode_documents(self, texts: Sequence[str], *, fields: Fields | None = None) -> Vectors:
        """Encode documents to ``(n, dimension)``, rows in input order."""

    def count_tokens(
        self, texts: Sequence[str], *, role: Role = "document", fields: Fields | None = None
    ) -> npt.NDArray[np.int64]:
        """Tokens of each text, special tokens and prefix included, not cut at the limit."""


def field_encoder_of(encoder: TextEncoder) -> FieldEncoder | None:
    """Return the encoder if its document prefix names fields, else None.

    Raises:
        InvalidInputError: it names some, and the encoder takes texts alone, as a service does.
    """
    names = getattr(encoder, "document_fields", ())
    if not names:
        return None
    if token_encoder_of(encoder) is None:
        raise InvalidInputError(
            f"the model's document prefix names fields of a record ({', '.join(names)}), and this encoder takes texts "
            "alone, as every service does. Give the model folder itself, or a model whose prefix names none"
        )
    return cast("FieldEncoder", encoder)
