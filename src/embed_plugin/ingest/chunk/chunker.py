"""Cut records into chunks of a maximum number of tokens, at the boundaries of the text."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from embed_plugin.errors import InvalidInputError, InvalidTextError
from embed_plugin.ingest.chunk.splitters import is_splittable
from embed_plugin.ingest.chunk.windows import is_long, split
from embed_plugin.ingest.long_steps import named_if_long
from embed_plugin.ingest.records import Chunk, Rejected, sha256
from embed_plugin.protocols import token_encoder_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin.ingest.records import Record
    from embed_plugin.protocols import TextEncoder
    from embed_plugin.types import TokenIds


class _Piece(NamedTuple):
    """A part of a record's text as it is tokenised.

    Attributes:
        text: The part.
        tokens: Number of its tokens.
        fits: Whether it fits into a chunk.
        ids: Its token ids, if known.
        unknown: Number of its unknown tokens, if known.
        start: Position of its first character in the record's text.
    """

    text: str
    tokens: int
    fits: bool
    ids: TokenIds | None = None
    unknown: int | None = None
    start: int = 0


class Chunker:
    """Cuts records into chunks within the encoder's limit, so that no token is ever truncated.

    Boundaries are tried from the widest to the narrowest: sections, paragraphs, sentences, words, characters; in source
    code whose grammar is installed: classes, functions, statements.

    Args:
        encoder: Counts the tokens, special tokens and prefix included.
        chunk_tokens: Maximum tokens of a chunk; the encoder's limit if that is lower, or by default.
        overlap_tokens: Maximum tokens that a chunk repeats of the one before it.

    Raises:
        InvalidInputError: no token is left for the text, or the overlap is as long as a chunk.
    """

    def __init__(self, encoder: TextEncoder, *, chunk_tokens: int | None = None, overlap_tokens: int = 0) -> None:
        self.limit = encoder.max_tokens if chunk_tokens is None else min(encoder.max_tokens, chunk_tokens)
        self._encoder = encoder
        self._overhead = int(encoder.count_tokens([""])[0])
        self._capacity = self.limit - self._overhead
        self._overlap = overlap_tokens
        if self._capacity < 1:
            message = f"{self.limit} tokens a chunk, {self._overhead} of them the model's own: allow more"
            raise InvalidInputError(message)
        if not 0 <= overlap_tokens < self._capacity:
            message = f"{overlap_tokens} tokens of overlap, expected 0 to {self._capacity - 1}"
            raise InvalidInputError(message)

    def hash_of(self, record: Record) -> str:
        """sha256 (hex) of everything that determines a record's chunks: text, syntax, and the settings of the cut.

        A stored record with this hash has the chunks that it would be cut into now, so it is not cut again.
        """
        return sha256(f"{self.limit} {self._overlap} {_syntax(record)}\n{record.text}")

    def chunk(self, records: Sequence[Record]) -> list[list[Chunk] | Rejected]:
        """Cut records that are not empty; one list of chunks per record.

        A record is rejected if a single character takes more tokens than a chunk may have, or none at all.

        Tokens are counted in one call for all records, and in one more for all pieces of those that do not fit, so a
        record that fits is tokenised once. The time is proportional to the records' length.
        """
        try:
            return self._chunk(records)
        except InvalidTextError as error:
            if len(records) > 1:
                return [self.chunk([record])[0] for record in records]
            return [Rejected.of(records[0], f"{records[0].place or records[0].source_id}: {error.problem}")]

    def _chunk(self, records: Sequence[Record]) -> list[list[Chunk] | Rejected]:
        short = [number for number, record in enumerate(records) if not is_long(record.text, self._capacity)]
        whole = zip(short, self._tokenised([records[number].text for number in short]), strict=True)
        pieces = {number: [piece] for number, piece in whole if piece.fits}
        to_cut = [number for number in range(len(records)) if number not in pieces]
        pieces |= zip(to_cut, self._split([records[number] for number in to_cut]), strict=True)
        return [self._chunks(record, pieces[number]) for number, record in enumerate(records)]

    def _split(self, records: Sequence[Record]) -> list[list[_Piece]]:
        cut = [self._cut(record) for record in records]
        tokenised = iter(self._tokenised([text for _, text in chain.from_iterable(cut)]))
        return [[next(tokenised)._replace(start=start) for start, _ in pieces] for pieces in cut]

    def _cut(self, record: Record) -> list[tuple[int, str]]:
        with named_if_long("cutting", record.place or record.source_id, len(record.text), "characters"):
            return split(record.text, _syntax(record), self._count, capacity=self._capacity, overlap=self._overlap)

    def _count(self, text: str) -> int:
        """Count the tokens of a text without the special ones and those of the prefix."""
        return max(0, int(self._encoder.count_tokens([text])[0]) - self._overhead)

    def _tokenised(self, texts: list[str]) -> list[_Piece]:
        if not texts:
            return []
        token_encoder = token_encoder_of(self._encoder)
        if token_encoder is None:
            counts = map(int, self._encoder.count_tokens(texts))
            return [_Piece(text, count, count <= self.limit) for text, count in zip(texts, counts, strict=True)]
        tokenised = token_encoder.tokenise(texts)
        cut = set(tokenised.cut)
        unknown: Sequence[int | None] = tokenised.unknown or [None] * len(texts)
        return [
            _Piece(text, len(ids), number not in cut and len(ids) <= self.limit, ids, of_them)
            for number, (text, ids, of_them) in enumerate(zip(texts, tokenised.ids, unknown, strict=True))
        ]

    def _chunks(self, record: Record, pieces: list[_Piece]) -> list[Chunk] | Rejected:
        for piece in pieces:
            if not piece.fits:
                reason = (
                    f"{record.place or record.source_id}: {piece.text[:20]!r} alone has more than {self.limit} tokens, "
                    "the limit. Allow longer chunks or take a model with a higher limit"
                )
                return Rejected.of(record, reason)
        about = record.metadata, record.metadata_hash, self.hash_of(record)
        return [
            Chunk(
                *(record.source_id, index, len(pieces), piece.text, *about, piece.tokens, piece.ids, piece.unknown),
                source_name=record.source_name,
                file=record.file,
                path=record.path,
                start=piece.start,
            )
            for index, piece in enumerate(pieces)
        ]


def _syntax(record: Record) -> str:
    """The syntax to cut a record by: plain text if there is no splitter for its own."""
    return record.syntax if is_splittable(record.syntax) else "text"
