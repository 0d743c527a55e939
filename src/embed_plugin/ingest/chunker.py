"""Records to chunks of at most so many tokens, cut where the text itself has borders."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from embed_plugin.errors import InvalidInputError, RecordError
from embed_plugin.ingest.records import Chunk, sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin.contracts import TextEncoder
    from embed_plugin.ingest.records import Record


class Chunker:
    """Cuts records into chunks that the encoder takes whole: no token of a text is ever cut off.

    Borders are tried from the widest to the narrowest: sections, paragraphs, sentences, words, characters.

    Args:
        encoder: Counts the tokens, special tokens and prefix included. Where it has a ``tokenizer_json``
            (a string: the tokenizer without truncation and padding), no cut calls back into Python.
        chunk_tokens: Most tokens of a chunk; the encoder's limit where that is lower, or by default.
        overlap_tokens: Most tokens that a chunk repeats of the one before it.

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
        tokenizer_json = getattr(encoder, "tokenizer_json", None)
        self._tokenizer_json = tokenizer_json if isinstance(tokenizer_json, str) else None
        self._splitters: dict[tuple[bool, bool], TextSplitter | MarkdownSplitter] = {}

    def hash_of(self, record: Record) -> str:
        """sha256 (hex) of all that decides a record's chunks: its text, its kind, and how it is cut.

        A stored record with this hash has the chunks that it would be cut into now, so it need not be cut again.
        """
        return sha256(f"{self.limit} {self._overlap} {record.markdown}\n{record.text}")

    def chunk(self, records: Sequence[Record]) -> list[list[Chunk]]:
        """Cut records that are not empty; one list of chunks per record.

        Tokens are counted in one call for all the records and in one more for all the pieces of those that do
        not fit, so a record that fits costs no more than its tokens.

        Raises:
            RecordError: a single character takes more tokens than a chunk may have.
        """
        tokens = self._count([record.text for record in records])
        long = [number for number, count in enumerate(tokens) if count > self.limit]
        pieces = dict(zip(long, self._split([records[number] for number in long]), strict=True))
        return [
            self._chunks(record, pieces[number] if number in pieces else [(record.text, tokens[number])])
            for number, record in enumerate(records)
        ]

    def _split(self, records: Sequence[Record]) -> list[list[tuple[str, int]]]:
        texts = [self._splitter(record, exact=False).chunks(record.text) for record in records]
        counts = iter(self._count(list(chain.from_iterable(texts))))
        counted = [[(text, next(counts)) for text in pieces] for pieces in texts]
        return [
            pieces if all(count <= self.limit for _, count in pieces) else self._split_exactly(record)
            for record, pieces in zip(records, counted, strict=True)
        ]

    def _split_exactly(self, record: Record) -> list[tuple[str, int]]:
        """Cut again by the encoder's own count; tokens may differ where the prefix meets the text."""
        texts = self._splitter(record, exact=True).chunks(record.text)
        pieces = list(zip(texts, self._count(texts), strict=True))
        for text, count in pieces:
            if count > self.limit:
                message = (
                    f"{record.place or record.source_id}: {text[:20]!r} alone is {count} tokens, the limit "
                    f"is {self.limit}. Allow longer chunks or take a model with a higher limit"
                )
                raise RecordError(message)
        return pieces

    def _splitter(self, record: Record, *, exact: bool) -> TextSplitter | MarkdownSplitter:
        key = (record.markdown, exact)
        if key not in self._splitters:
            kind = MarkdownSplitter if record.markdown else TextSplitter
            # The splitter counts tokens without the special ones, hence the capacity without them.
            if self._tokenizer_json is None or exact:
                self._splitters[key] = kind.from_callback(self._count_own, self._capacity, overlap=self._overlap)
            else:
                self._splitters[key] = kind.from_huggingface_tokenizer_str(
                    self._tokenizer_json, self._capacity, overlap=self._overlap
                )
        return self._splitters[key]

    def _count_own(self, text: str) -> int:
        return max(0, self._count([text])[0] - self._overhead)

    def _count(self, texts: list[str]) -> list[int]:
        return [int(count) for count in self._encoder.count_tokens(texts)] if texts else []

    def _chunks(self, record: Record, pieces: list[tuple[str, int]]) -> list[Chunk]:
        about = record.metadata, record.metadata_hash, self.hash_of(record)
        return [
            Chunk(record.source_id, index, len(pieces), text, *about, tokens)
            for index, (text, tokens) in enumerate(pieces)
        ]
