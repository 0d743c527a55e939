"""Cut records into chunks of a maximum number of tokens, at the boundaries of the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from embed_plugin.errors import InvalidInputError, InvalidTextError
from embed_plugin.ingest.chunk.prefix_fields import PrefixFields
from embed_plugin.ingest.chunk.splitters import is_splittable
from embed_plugin.ingest.chunk.windows import is_long, split
from embed_plugin.ingest.long_steps import named_if_long
from embed_plugin.ingest.records import Chunk, Rejected, canonical_json, sha256
from embed_plugin.protocols import token_encoder_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


class _Prefixed(NamedTuple):
    """A record with the fields that fill the document prefix before each of its chunks.

    Attributes:
        record: The record.
        fields: Their values.
        overhead: Tokens of the filled prefix, special tokens included.
    """

    record: Record
    fields: Mapping[str, str]
    overhead: int


class Chunker:
    """Cuts records into chunks within the encoder's limit, so that no token is ever truncated.

    Boundaries are tried from the widest to the narrowest: sections, paragraphs, sentences, words, characters; in source
    code whose grammar is installed: classes, functions, statements.

    Args:
        encoder: Counts the tokens, special tokens and prefix included.
        chunk_tokens: Maximum tokens of a chunk; the encoder's limit if that is lower, or by default.
        overlap_tokens: Maximum tokens that a chunk repeats of the one before it.

    Raises:
        InvalidInputError: no token is left for the text, the overlap is as long as a chunk, or the encoder's document
            prefix names fields and it takes texts alone.
    """

    def __init__(self, encoder: TextEncoder, *, chunk_tokens: int | None = None, overlap_tokens: int = 0) -> None:
        self.limit = encoder.max_tokens if chunk_tokens is None else min(encoder.max_tokens, chunk_tokens)
        self._encoder = encoder
        self._fields = PrefixFields(encoder)
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
        """sha256 (hex) of all that determines a record's chunks: text, syntax, fields, and the settings of the cut.

        A stored record with this hash has the chunks that it would be cut into now, so it is not cut again.
        """
        fields = self._fields.of(record)
        filled = f" {canonical_json(fields)}" if fields else ""
        return sha256(f"{self.limit} {self._overlap} {_syntax(record)}{filled}\n{record.text}")

    def chunk(self, records: Sequence[Record]) -> list[list[Chunk] | Rejected]:
        """Cut records that are not empty; one list of chunks per record.

        A record is rejected if a single character takes more tokens than a chunk may have, or none at all; or if its
        fields, which fill the prefix of each chunk, take more than half of a chunk.

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
        prefixed = self._prefixed(records)
        done: dict[int, list[Chunk] | Rejected] = {
            number: self._rejected(one) for number, one in enumerate(prefixed) if not self._leaves_room(one)
        }
        rest = {number: one for number, one in enumerate(prefixed) if number not in done}
        short = {number: one for number, one in rest.items() if not is_long(one.record.text, self._capacity)}
        whole = zip(short, self._tokenised([(one.record.text, one.fields) for one in short.values()]), strict=True)
        pieces = {number: [piece] for number, piece in whole if piece.fits}
        to_cut = [number for number in rest if number not in pieces]
        pieces |= zip(to_cut, self._split([prefixed[number] for number in to_cut]), strict=True)
        done |= {number: self._chunks(one.record, one.fields, pieces[number]) for number, one in rest.items()}
        return [done[number] for number in range(len(records))]

    def _prefixed(self, records: Sequence[Record]) -> list[_Prefixed]:
        fields = [self._fields.of(record) for record in records]
        some = [number for number, each in enumerate(fields) if each]
        overheads = [self._overhead] * len(records)
        if some:
            counts = self._fields.count_tokens([""] * len(some), [fields[number] for number in some])
            for number, count in zip(some, counts, strict=True):
                overheads[number] = int(count)
        return [_Prefixed(*one) for one in zip(records, fields, overheads, strict=True)]

    def _leaves_room(self, one: _Prefixed) -> bool:
        """Return whether the record's fields leave at least half of a chunk to the text."""
        return not one.fields or 2 * (one.overhead - self._overhead) <= self._capacity

    def _rejected(self, one: _Prefixed) -> Rejected:
        record = one.record
        reason = (
            f"{record.place or record.source_id}: the prefix with its {', '.join(one.fields)} has {one.overhead} "
            f"tokens, more than half of a chunk of {self.limit}. Shorten it, or allow longer chunks"
        )
        return Rejected.of(record, reason)

    def _split(self, records: Sequence[_Prefixed]) -> list[list[_Piece]]:
        cut = [self._cut(one) for one in records]
        texts = [(text, one.fields) for one, pieces in zip(records, cut, strict=True) for _, text in pieces]
        tokenised = iter(self._tokenised(texts))
        return [[next(tokenised)._replace(start=start) for start, _ in pieces] for pieces in cut]

    def _cut(self, one: _Prefixed) -> list[tuple[int, str]]:
        record, capacity = one.record, self.limit - one.overhead
        overlap = min(self._overlap, capacity - 1)

        def count(text: str) -> int:
            """Count the tokens of a text without the special ones and those of the prefix."""
            return max(0, int(self._fields.count_tokens([text], [one.fields])[0]) - one.overhead)

        with named_if_long("cutting", record.place or record.source_id, len(record.text), "characters"):
            return split(record.text, _syntax(record), count, capacity=capacity, overlap=overlap)

    def _tokenised(self, texts: list[tuple[str, Mapping[str, str]]]) -> list[_Piece]:
        """Tokenise texts, each with the fields of its record."""
        if not texts:
            return []
        plain, fields = [text for text, _ in texts], [each for _, each in texts]
        token_encoder = token_encoder_of(self._encoder)
        if token_encoder is None:
            counts = map(int, self._encoder.count_tokens(plain))
            return [_Piece(text, count, count <= self.limit) for text, count in zip(plain, counts, strict=True)]
        tokenised = token_encoder.tokenise(plain, fields=fields) if any(fields) else token_encoder.tokenise(plain)
        cut = set(tokenised.cut)
        unknown: Sequence[int | None] = tokenised.unknown or [None] * len(texts)
        return [
            _Piece(text, len(ids), number not in cut and len(ids) <= self.limit, ids, of_them)
            for number, (text, ids, of_them) in enumerate(zip(plain, tokenised.ids, unknown, strict=True))
        ]

    def _chunks(self, record: Record, fields: Mapping[str, str], pieces: list[_Piece]) -> list[Chunk] | Rejected:
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
                fields=fields,
            )
            for index, piece in enumerate(pieces)
        ]


def _syntax(record: Record) -> str:
    """The syntax to cut a record by: plain text if there is no splitter for its own."""
    return record.syntax if is_splittable(record.syntax) else "text"
