"""Cut records into chunks of a maximum number of tokens, at the boundaries of the text."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, NamedTuple, Self

from embed_plugin.errors import InvalidInputError, InvalidTextError
from embed_plugin.ingest.chunk.context import LARGEST_PART, longest_that_fits
from embed_plugin.ingest.chunk.joints import Joints
from embed_plugin.ingest.chunk.outline import LONGEST_HEADING, outline_of
from embed_plugin.ingest.chunk.places import Places
from embed_plugin.ingest.chunk.prefix_fields import PrefixFields
from embed_plugin.ingest.chunk.splitters import is_splittable
from embed_plugin.ingest.chunk.windows import is_long, split
from embed_plugin.ingest.long_steps import named_if_long
from embed_plugin.ingest.records import Chunk, Rejected, canonical_json, sha256
from embed_plugin.protocols import token_encoder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from embed_plugin.ingest.chunk.context import ContextRule
    from embed_plugin.ingest.chunk.outline import Outline
    from embed_plugin.ingest.records import Record
    from embed_plugin.protocols import TextEncoder
    from embed_plugin.types import TokenIds

RULES = 2
"""The version of the rules of cutting. It is part of a record's hash, so that a change of the rules cuts it again."""


class _Piece(NamedTuple):
    """A part of a record's text as it is tokenised.

    Attributes:
        text: The part.
        tokens: Number of its tokens.
        fits: Whether it fits into a chunk.
        ids: Its token ids, if known.
        unknown: Number of its unknown tokens, if known.
        start: Position of its first character in the record's text.
        context: What the text begins with that is not the record's.
    """

    text: str
    tokens: int
    fits: bool
    ids: TokenIds | None = None
    unknown: int | None = None
    start: int = 0
    context: str = ""

    @property
    def own(self) -> str:
        """The record's part of the text."""
        return self.text[len(self.context) :]


class _Draft(NamedTuple):
    """A part of a record before it is tokenised.

    Attributes:
        start: Position of its first character in the record's text.
        text: The part.
        context: What is put in front of it.
    """

    start: int
    text: str
    context: str = ""


class _Prefixed(NamedTuple):
    """A record with the fields that fill the document prefix before each of its chunks.

    Attributes:
        record: The record.
        fields: Their values.
        overhead: Tokens of the filled prefix, special tokens included.
        outline: Its headings.
    """

    record: Record
    fields: Mapping[str, str]
    overhead: int
    outline: Outline


class Chunker:
    """Cuts records into chunks within the encoder's limit, so that no token is ever truncated.

    Boundaries are tried from the widest to the narrowest: sections, paragraphs, sentences, words, characters; in source
    code whose grammar is installed: classes, functions, statements. What only leads to the text behind it, such as a
    heading or a signature, is in its chunk, and a few words are no chunk by themselves.

    Args:
        encoder: Counts the tokens, special tokens and prefix included.
        chunk_tokens: Maximum tokens of a chunk; the encoder's limit if that is lower, or by default.
        overlap_tokens: Maximum tokens that a chunk repeats of the one before it.
        context: What is put in front of the text of each chunk.

    Raises:
        InvalidInputError: no token is left for the text, the overlap is as long as a chunk, or the encoder's document
            prefix names fields and it takes texts alone.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        *,
        chunk_tokens: int | None = None,
        overlap_tokens: int = 0,
        context: ContextRule = "none",
    ) -> None:
        self.limit = encoder.max_tokens if chunk_tokens is None else min(encoder.max_tokens, chunk_tokens)
        self._encoder = encoder
        self._fields = PrefixFields(encoder)
        self._overhead = int(encoder.count_tokens([""])[0])
        self._capacity = self.limit - self._overhead
        self._overlap = overlap_tokens
        self._context = context
        if self._capacity < 1:
            message = f"{self.limit} tokens a chunk, {self._overhead} of them the model's own: allow more"
            raise InvalidInputError(message)
        if not 0 <= overlap_tokens < self._capacity:
            message = f"{overlap_tokens} tokens of overlap, expected 0 to {self._capacity - 1}"
            raise InvalidInputError(message)

    def with_context(self, context: ContextRule) -> Self:
        """The same chunker with another rule for what is put in front of each text."""
        other = copy(self)
        other._context = context
        return other

    def hash_of(self, record: Record) -> str:
        """sha256 (hex) of all that determines a record's chunks: text, syntax, fields, and the settings of the cut.

        A stored record with this hash has the chunks that it would be cut into now, so it is not cut again.
        """
        fields = self._fields.of(record)
        filled = f" {canonical_json(fields)}" if fields else ""
        context = "" if self._context == "none" else f" {self._context}"
        return sha256(f"{self.limit} {self._overlap} {_syntax(record)} {RULES}{context}{filled}\n{record.text}")

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
        drafts = [(self._draft(one), one.fields) for one in short.values()]
        whole = zip(short, self._tokenised(drafts), strict=True)
        pieces = {number: [piece] for number, piece in whole if piece.fits}
        to_cut = [number for number in rest if number not in pieces]
        pieces |= zip(to_cut, self._split([prefixed[number] for number in to_cut]), strict=True)
        done |= {number: self._chunks(one, pieces[number]) for number, one in rest.items()}
        return [done[number] for number in range(len(records))]

    def _prefixed(self, records: Sequence[Record]) -> list[_Prefixed]:
        fields = [self._fields.of(record) for record in records]
        some = [number for number, each in enumerate(fields) if each]
        overheads = [self._overhead] * len(records)
        if some:
            counts = self._fields.count_tokens([""] * len(some), [fields[number] for number in some])
            for number, count in zip(some, counts, strict=True):
                overheads[number] = int(count)
        outlines = [outline_of(record.text, _syntax(record)) for record in records]
        return [_Prefixed(*one) for one in zip(records, fields, overheads, outlines, strict=True)]

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

    def _draft(self, one: _Prefixed) -> _Draft:
        """The whole text of a record."""
        text = one.record.text
        most = (self.limit - one.overhead) // LARGEST_PART
        return _Draft(0, text, self._context_of(one, _Draft(0, text), self._counter(one), most))

    def _split(self, records: Sequence[_Prefixed]) -> list[list[_Piece]]:
        cut = [self._cut(one) for one in records]
        drafts = [(draft, one.fields) for one, some in zip(records, cut, strict=True) for draft in some]
        tokenised = iter(self._tokenised(drafts))
        return [[next(tokenised) for _ in some] for some in cut]

    def _cut(self, one: _Prefixed) -> list[_Draft]:
        record, capacity, count = one.record, self.limit - one.overhead, self._counter(one)
        with named_if_long("cutting", record.place or record.source_id, len(record.text), "characters"):
            drafts = self._drafts(one, capacity)
            if self._context == "none":
                return drafts
            contexts = [self._context_of(one, draft, count, capacity // LARGEST_PART) for draft in drafts]
            most = max(map(count, set(contexts)))
            return [self._with_context(one, draft, most) for draft in self._drafts(one, capacity - most)]

    def _drafts(self, one: _Prefixed, capacity: int) -> list[_Draft]:
        """Cut a record's text into parts of a maximum number of tokens, without context."""
        syntax, count = _syntax(one.record), self._counter(one)
        text, overlap = one.record.text, min(self._overlap, capacity - 1)
        pieces = split(text, syntax, count, capacity=capacity, overlap=overlap)
        joints = Joints(
            text,
            one.outline.leads,
            count=count,
            cut=lambda part, most: split(part, syntax, count, capacity=most, overlap=0),
            capacity=capacity,
        )
        return [_Draft(start, piece) for start, piece in joints.join(pieces)]

    def _counter(self, one: _Prefixed) -> Callable[[str], int]:
        def count(text: str) -> int:
            """Count the tokens of a text without the special ones and those of the prefix."""
            return max(0, int(self._fields.count_tokens([text], [one.fields])[0]) - one.overhead)

        return count

    def _with_context(self, one: _Prefixed, draft: _Draft, most: int) -> _Draft:
        """Put the context in front of a part, unless both together do not fit, as when their tokens merge."""
        count = self._counter(one)
        context = self._context_of(one, draft, count, most)
        return draft._replace(context=context if count(context + draft.text) <= self.limit - one.overhead else "")

    def _context_of(self, one: _Prefixed, draft: _Draft, count: Callable[[str], int], most: int) -> str:
        if self._context == "none":
            return ""
        return longest_that_fits(*_path(one, draft.start, draft.text), count, most)

    def _tokenised(self, drafts: list[tuple[_Draft, Mapping[str, str]]]) -> list[_Piece]:
        """Tokenise parts, each with its context and the fields of its record."""
        if not drafts:
            return []
        found = self._tokenised_texts([draft.context + draft.text for draft, _ in drafts], [each for _, each in drafts])
        return [
            piece._replace(start=draft.start, context=draft.context)
            for piece, (draft, _) in zip(found, drafts, strict=True)
        ]

    def _tokenised_texts(self, plain: list[str], fields: list[Mapping[str, str]]) -> list[_Piece]:
        token_encoder = token_encoder_of(self._encoder)
        if token_encoder is None:
            counts = map(int, self._encoder.count_tokens(plain))
            return [_Piece(text, count, count <= self.limit) for text, count in zip(plain, counts, strict=True)]
        tokenised = token_encoder.tokenise(plain, fields=fields) if any(fields) else token_encoder.tokenise(plain)
        cut = set(tokenised.cut)
        unknown: Sequence[int | None] = tokenised.unknown or [None] * len(plain)
        return [
            _Piece(text, len(ids), number not in cut and len(ids) <= self.limit, ids, of_them)
            for number, (text, ids, of_them) in enumerate(zip(plain, tokenised.ids, unknown, strict=True))
        ]

    def _chunks(self, one: _Prefixed, pieces: list[_Piece]) -> list[Chunk] | Rejected:
        record = one.record
        for piece in pieces:
            if not piece.fits:
                reason = (
                    f"{record.place or record.source_id}: {piece.text[:20]!r} alone has more than {self.limit} tokens, "
                    "the limit. Allow longer chunks or take a model with a higher limit"
                )
                return Rejected.of(record, reason)
        about = record.metadata, record.metadata_hash, self.hash_of(record)
        places = Places(record.text, record.left_out)
        chunks = []
        for index, piece in enumerate(pieces):
            start, end, lines = places.of(piece.start, piece.own)
            title, headings = _path(one, piece.start, piece.own)
            chunk = Chunk(
                *(record.source_id, index, len(pieces), piece.text, *about, piece.tokens, piece.ids, piece.unknown),
                source_name=record.source_name,
                file=record.file,
                path=record.path,
                fields=one.fields,
                start=start,
                end=end,
                lines=lines,
                title=title,
                headings=headings,
            )
            chunks.append(chunk)
        return chunks


def _path(one: _Prefixed, start: int, text: str) -> tuple[str, tuple[str, ...]]:
    """The title, in the metadata or else the first heading of the first level, and the other headings over a part."""
    stated = one.record.metadata.get("title")
    title = (" ".join(stated.split())[:LONGEST_HEADING] if isinstance(stated, str) else "") or one.outline.title
    path = one.outline.path(start, start + len(text))
    return title, path[1:] if path[:1] == (title,) else path


def _syntax(record: Record) -> str:
    """The syntax to cut a record by: plain text if there is no splitter for its own."""
    return record.syntax if is_splittable(record.syntax) else "text"
