"""The encoder: prefix -> tokenise -> equal-length batches -> onnxruntime -> unit vectors in input order."""

from __future__ import annotations

import os
import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from embed_plugin.encode.batch_queue import BatchQueue
from embed_plugin.encode.canaries import check_moved
from embed_plugin.encode.onnx_session import OnnxSession
from embed_plugin.encode.settings import EncoderSettings
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.encode.workers import available_workers
from embed_plugin.errors import InvalidInputError, InvalidTextError
from embed_plugin.fingerprint import fingerprint_of
from embed_plugin.model_folder import TOKENIZER, read_model_folder
from embed_plugin.prepared_models import find_model_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.contracts import ModelSpec, Role, TokenisedTexts, Vectors
    from embed_plugin.encode.batch_queue import BatchReport, QueuedTokens

    VectorStream = Generator[npt.NDArray[np.float32], None, None]

Texts = TypeVar("Texts", bound="Iterable[str]")

WINDOW_CHARACTERS = 4_000_000
"""A window of texts closes here even when it holds fewer than ``window_texts``: long texts cost memory too."""


class Encoder:
    """Turns texts into unit vectors on CPU.

    A text's vector depends on that text alone: it is the same, bit for bit, alone, in any batch, at any position and
    for any number of workers. One encoder may be called from any number of threads and tasks at once; their texts
    share batches. It pickles as its folder, settings and prefixes, and builds a session of its own after a fork.

    Example:
        >>> encoder = Encoder.load("models/minilm-int8")  # doctest: +SKIP
        >>> encoder.encode_queries(["how do I read a file?"]).shape  # doctest: +SKIP
        (1, 384)
    """

    def __init__(
        self,
        folder: Path,
        settings: EncoderSettings,
        query_prefix: str | None = None,
        document_prefix: str | None = None,
    ) -> None:
        """Load a model folder; :meth:`load` is the usual way."""
        self.folder = folder
        self.settings = settings
        self._prefixes = query_prefix, document_prefix
        in_folder = read_model_folder(folder)
        self.spec = _with_prefixes(in_folder, query_prefix, document_prefix)
        self._tokenizer = TextTokenizer(folder / TOKENIZER, max_tokens=self.spec.max_tokens)
        self._cut_texts = 0
        self._queue = self._start()
        if settings.on_other_cpu != "ignore":
            check_moved(in_folder, self._tokenizer, self._session, settings.on_other_cpu)

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        settings: EncoderSettings | None = None,
        *,
        query_prefix: str | None = None,
        document_prefix: str | None = None,
    ) -> Encoder:
        """Load a model folder made by ``embed-plugin export``.

        Args:
            folder: The model folder, or the hub id of a model that ``embed-plugin export HUB_ID`` has prepared.
            settings: How to run; the defaults suit the machine.
            query_prefix: Put before every query instead of the folder's prefix. It is part of the fingerprint.
            document_prefix: The same for documents.

        Raises:
            ModelFolderError: the folder is missing, damaged, changed after export, or of another version; or, with
                ``on_other_cpu="error"``, gives other vectors on this class of CPU.
        """
        return cls(find_model_folder(folder), settings or EncoderSettings(), query_prefix, document_prefix)

    def __reduce__(self) -> tuple[type[Encoder], tuple[object, ...]]:
        """Pickle as folder, settings and prefixes: the receiving process loads its own session."""
        return type(self), (self.folder, self.settings, *self._prefixes)

    def _start(self) -> BatchQueue:
        """Make what a forked child cannot inherit: the session, its threads, and a lock nobody holds."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._session = OnnxSession.of(self.folder)
        # The ranges of int8-dynamic are those of a run, which therefore holds one text.
        token_budget = 1 if self.spec.precision == "int8-dynamic" else self.settings.token_budget
        return BatchQueue(self._session.run, dimension=self.dimension, workers=self.workers, token_budget=token_budget)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.spec.dimension

    @property
    def max_tokens(self) -> int:
        """Token limit of one text, special tokens and prefix included."""
        return self.spec.max_tokens

    @property
    def fingerprint(self) -> str:
        """Identity of the vector space: equal fingerprints mean comparable vectors."""
        return self.spec.fingerprint

    @property
    def cut_texts(self) -> int:
        """Texts cut at the token limit since this encoder was loaded."""
        return self._cut_texts

    @property
    def tokenizer_json(self) -> str:
        """The model's tokenizer in the ``tokenizer.json`` format, without truncation and padding."""
        return self._tokenizer.to_json()

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Encode documents.

        Args:
            texts: Any number of texts; the document prefix is put before each.

        Returns:
            float32 ``(len(texts), dimension)``, rows in input order, unit length.

        Raises:
            InvalidTextError: a text is not a str, holds a lone surrogate, or, with ``on_long="error"``, is too long.
        """
        return self._encode(texts, "document")

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode queries: as :meth:`encode_documents`, with the query prefix."""
        return self._encode(texts, "query")

    def stream_documents(self, texts: Iterable[str]) -> VectorStream:
        """Yield the vector ``(dimension,)`` of each document in input order, in memory that does not grow.

        At most two windows of texts are held: one is encoded while the next is read and tokenised.
        """
        return self._stream(texts, "document")

    def stream_queries(self, texts: Iterable[str]) -> VectorStream:
        """:meth:`stream_documents` with the query prefix."""
        return self._stream(texts, "query")

    async def aencode_documents(self, texts: Sequence[str]) -> Vectors:
        """:meth:`encode_documents` for asyncio: the loop stays free, and concurrent callers share batches."""
        return await self._aencode(texts, "document")

    async def aencode_queries(self, texts: Sequence[str]) -> Vectors:
        """:meth:`encode_queries` for asyncio."""
        return await self._aencode(texts, "query")

    def count_tokens(self, texts: Sequence[str], *, role: Role = "document") -> npt.NDArray[np.int64]:
        """Tokens of each text, int64 ``(n,)``: special tokens and prefix included, not cut at the limit."""
        return self._tokenizer.count(list(_not_a_str(texts)), prefix=self.spec.prefix(role))

    def tokenise(self, texts: Sequence[str], *, role: Role = "document") -> TokenisedTexts:
        """The first step of encoding, for callers who ask for more than vectors; :meth:`submit` is the second.

        Texts beyond the limit are cut and named in the result, whatever ``on_long`` says.

        Raises:
            InvalidTextError: a text is not a str, or holds a lone surrogate.
        """
        return self._tokenizer.tokenise(list(_not_a_str(texts)), prefix=self.spec.prefix(role), first_index=0)

    def submit(self, tokenised: TokenisedTexts, *, is_part: bool = False) -> Future[Vectors]:
        """Queue tokenised texts; the future gives ``(n, dimension)``. Cancelling it drops what has not begun.

        Args:
            tokenised: What :meth:`tokenise` gave.
            is_part: They are a part of a larger call, and do not go before others however few they are.
        """
        return self._queue_for(tokenised).submit(tokenised.ids, is_part=is_part)

    @property
    def workers(self) -> int:
        """Texts, or batches of them, encoded at the same time."""
        return self.settings.workers or available_workers()

    @property
    def queued_tokens(self) -> QueuedTokens:
        """Tokens of the texts that wait for a worker, of all callers."""
        return self._queue.queued_tokens

    def observe(self, observer: Callable[[BatchReport], None]) -> None:
        """Tell ``observer`` of every batch that was run, from the thread that ran it."""
        self._queue.observer = observer

    def _queue_for(self, tokenised: TokenisedTexts) -> BatchQueue:
        """This process's queue; what was cut of the texts that it is asked for is counted."""
        if os.getpid() != self._process:
            self._queue = self._start()
        with self._lock:
            self._cut_texts += len(tokenised.cut)
        return self._queue

    def _stream(self, texts: Iterable[str], role: Role) -> VectorStream:
        for vectors in self._windows_of_vectors(_not_a_str(texts), role):
            yield from vectors

    def _encode(self, texts: Sequence[str], role: Role) -> Vectors:
        if not hasattr(_not_a_str(texts), "__len__"):
            found = type(texts).__name__
            raise InvalidInputError(f"expected a sequence of texts, found a {found}: use stream_documents")
        if len(texts) == 1:
            tokenised = self._tokenise(list(texts), role, 0)
            return self._queue_for(tokenised).encode_one(tokenised.ids[0])
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        row = 0
        for window in self._windows_of_vectors(texts, role):
            vectors[row : row + len(window)] = window
            row += len(window)
        return vectors

    async def _aencode(self, texts: Sequence[str], role: Role) -> Vectors:
        import asyncio  # noqa: PLC0415 - 25 ms and 4 MB that only a program of asyncio needs, and has already

        blocks = [np.empty((0, self.dimension), dtype=np.float32)]
        first_index = 0
        for window in self._windows(_not_a_str(texts)):
            tokenised = await asyncio.to_thread(self._tokenise, window, role, first_index)
            # A task that was cancelled meanwhile does not come here, and nothing is encoded for it.
            blocks.append(await asyncio.wrap_future(self.submit(tokenised)))
            first_index += len(window)
        return np.concatenate(blocks)

    def _windows_of_vectors(self, texts: Iterable[str], role: Role) -> Iterator[Vectors]:
        """Encode window by window, tokenising one while the one before it is encoded."""
        encoding: deque[Future[Vectors]] = deque()
        first_index = 0
        try:
            for window in self._windows(texts):
                encoding.append(self.submit(self._tokenise(window, role, first_index)))
                first_index += len(window)
                if len(encoding) > 1:
                    yield encoding[0].result()
                    encoding.popleft()
            while encoding:
                yield encoding[0].result()
                encoding.popleft()
        finally:
            for future in encoding:
                future.cancel()

    def _windows(self, texts: Iterable[str]) -> Iterator[list[str]]:
        window: list[str] = []
        characters = 0
        for text in texts:
            window.append(text)
            characters += len(text) if isinstance(text, str) else 0  # type: ignore[redundant-expr]  # refused later
            if len(window) == self.settings.window_texts or characters >= WINDOW_CHARACTERS:
                yield window
                window, characters = [], 0
        if window:
            yield window

    def _tokenise(self, texts: list[str], role: Role, first_index: int) -> TokenisedTexts:
        tokenised = self._tokenizer.tokenise(texts, prefix=self.spec.prefix(role), first_index=first_index)
        if tokenised.cut and self.settings.on_long == "error":
            problem = (
                f"has more than the {self.max_tokens} tokens this model takes; split it, or set on_long='truncate'"
            )
            raise InvalidTextError(first_index + tokenised.cut[0], problem)
        return tokenised


def _with_prefixes(spec: ModelSpec, query: str | None, document: str | None) -> ModelSpec:
    """The spec with other prefixes, where they are given, and the fingerprint that follows from them."""
    changed = replace(
        spec,
        query_prefix=spec.query_prefix if query is None else query,
        document_prefix=spec.document_prefix if document is None else document,
    )
    return replace(changed, fingerprint=fingerprint_of(changed))


def _not_a_str(texts: Texts) -> Texts:
    """Refuse a lone str, which is an iterable of its letters."""
    if isinstance(texts, (str, bytes)):
        raise InvalidInputError(f"expected a sequence of texts, found one {type(texts).__name__}: pass [text]")
    return texts
