"""The encoder, for users: prefix -> tokenise -> equal-length batches -> onnxruntime -> unit vectors in input order."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from embed_plugin.encode.canary_check import check_moved
from embed_plugin.encode.opened_folder import OpenedFolder
from embed_plugin.encode.runtime import Runtime
from embed_plugin.encode.settings import EncoderSettings
from embed_plugin.errors import InvalidInputError, InvalidTextError, StateError
from embed_plugin.model.cache import find_model_folder
from embed_plugin.model.folder import read_model_folder
from embed_plugin.model.identity import fingerprint_of
from embed_plugin.texts import iterable_of_texts, list_of_texts, refuse_bad_texts

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.encode.queue import BatchQueue
    from embed_plugin.model.spec import ModelSpec
    from embed_plugin.types import Role, TokenisedTexts, Vectors

    VectorStream = Generator[npt.NDArray[np.float32], None, None]

WINDOW_CHARACTERS = 4_000_000
"""A window of texts ends here even when it holds fewer than ``window_texts``: long texts cost memory too."""


class Encoder:
    """Turns texts into unit vectors on CPU.

    A text's vector depends on that text alone: it is the same, bit for bit, alone, in any batch, at any position and
    for any number of workers. One encoder may be called from any number of threads and tasks at once; their texts
    share batches. It pickles as its folder, settings and prefixes, and a forked child opens a session of its own; both
    raise ModelFolderError where the folder holds another model by then.

    Attributes:
        folder: The model folder's absolute path.
        settings: How to run.
        spec: The model's facts, with the prefixes in use.
        runtime: The steps of encoding as separate calls, the queue and the counters, for services and pipelines.

    Example:
        >>> encoder = Encoder.load("models/minilm-int8")  # doctest: +SKIP
        >>> encoder.encode_queries(["how do I read a file?"]).shape  # doctest: +SKIP
        (1, 384)
    """

    runtime_class: ClassVar[type[Runtime]] = Runtime
    """The class of :attr:`runtime`; a subclass may set its own."""

    def __init__(
        self,
        folder: Path,
        settings: EncoderSettings,
        query_prefix: str | None = None,
        document_prefix: str | None = None,
        in_folder: str | None = None,
    ) -> None:
        """Load a model folder, which must have the fingerprint ``in_folder`` if given. :meth:`load` is for users."""
        opened = OpenedFolder(folder, in_folder)
        self.folder = opened.path
        self.settings = settings
        self._prefixes = query_prefix, document_prefix
        self._in_folder = opened.spec.fingerprint
        self.spec = _with_prefixes(opened.spec, query_prefix, document_prefix)
        self.runtime = self.runtime_class(opened, self.spec, settings)
        if settings.on_other_cpu != "ignore":
            check_moved(opened.spec, self.runtime.tokenizer, self.runtime.session, settings.on_other_cpu)

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        settings: EncoderSettings | None = None,
        *,
        query_prefix: str | None = None,
        document_prefix: str | None = None,
        prompt_name: str | None = None,
    ) -> Encoder:
        """Load a model folder made by ``embed-plugin export``.

        Args:
            folder: The model folder, or the hub id of a model that ``embed-plugin export HUB_ID`` has prepared.
            settings: How to run; the defaults suit the machine.
            query_prefix: Prefix of every query, instead of the folder's. It is part of the fingerprint.
            document_prefix: The same for documents.
            prompt_name: One of the prompts that the checkpoint names (``spec.prompts``), which becomes both prefixes:
                for clustering, say, where all texts have one role.

        Raises:
            ModelFolderError: the folder is missing, damaged, changed after export, or of another version; or, with
                ``on_other_cpu="error"``, gives other vectors on this class of CPU.
            InvalidInputError: a prefix is not a str, or holds a lone surrogate; or there is no such prompt, or a prefix
                beside it.
        """
        found = find_model_folder(folder)
        if prompt_name is not None:
            if query_prefix is not None or document_prefix is not None:
                raise InvalidInputError("a prompt_name is both prefixes: give it alone, or the prefixes")
            query_prefix = document_prefix = _prompt(found, prompt_name)
        return cls(found, settings or EncoderSettings(), query_prefix, document_prefix)

    def __reduce__(self) -> tuple[type[Encoder], tuple[object, ...]]:
        """Pickle as folder, settings, prefixes and fingerprint: the receiving process loads its own session."""
        return type(self), (self.folder, self.settings, *self._prefixes, self._in_folder)

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

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Encode documents.

        Args:
            texts: Any number of texts; the document prefix is put before each.

        Returns:
            float32 ``(len(texts), dimension)``, rows in input order, unit length.

        Raises:
            InvalidInputError: ``texts`` is no list of texts, but one str, a table, a dict, a set or an iterator.
            InvalidTextError: a text is not a str, holds a lone surrogate, has no tokens or one that the model does not
                know, or, with ``on_long="error"``, is too long.
        """
        return self._encode(texts, self.spec.document_prefix)

    def encode_queries(self, texts: Sequence[str], *, instruction: str | None = None) -> Vectors:
        """Encode queries: as :meth:`encode_documents`, with the query prefix.

        Args:
            texts: Any number of texts.
            instruction: One line that says what the queries are for, in place of the one in the query prefix. The
                vectors are compared with the same documents as any query's.

        Raises:
            InvalidInputError: as :meth:`encode_documents`; or the model takes no instruction.
            InvalidTextError: as :meth:`encode_documents`.
        """
        return self._encode(texts, self.spec.prefix("query", instruction))

    def stream_documents(self, texts: Iterable[str]) -> VectorStream:
        """Yield the vector ``(dimension,)`` of each document in input order, in memory that does not grow.

        At most two windows of texts are held: one is encoded while the next is read and tokenised.
        """
        return self._stream(iterable_of_texts(texts), self.spec.document_prefix)

    def stream_queries(self, texts: Iterable[str], *, instruction: str | None = None) -> VectorStream:
        """:meth:`stream_documents` with the query prefix; ``instruction`` as in :meth:`encode_queries`."""
        return self._stream(iterable_of_texts(texts), self.spec.prefix("query", instruction))

    async def aencode_documents(self, texts: Sequence[str]) -> Vectors:
        """:meth:`encode_documents` for asyncio: the loop stays free, and concurrent callers share batches."""
        return await self._aencode(texts, self.spec.document_prefix)

    async def aencode_queries(self, texts: Sequence[str], *, instruction: str | None = None) -> Vectors:
        """:meth:`encode_queries` for asyncio."""
        return await self._aencode(texts, self.spec.prefix("query", instruction))

    def count_tokens(self, texts: Sequence[str], *, role: Role = "document") -> npt.NDArray[np.int64]:
        """Tokens of each text, int64 ``(n,)``: special tokens and prefix included, not cut at the limit."""
        return self.runtime.tokenizer.count(list_of_texts(texts), prefix=self.spec.prefix(role))

    def count_unknown(self, texts: Sequence[str], *, role: Role = "document") -> npt.NDArray[np.int64]:
        """Tokens of each text that the tokenizer does not know, int64 ``(n,)``; :meth:`count_tokens` includes them.

        Texts that differ only in unknown tokens have the same vector. A tokenizer with a token for every byte has none.
        """
        return self.runtime.tokenizer.count_unknown_in(list_of_texts(texts), prefix=self.spec.prefix(role))

    def _stream(self, texts: Iterable[str], prefix: str) -> VectorStream:
        for vectors in self._windows_of_vectors(texts, prefix):
            yield from vectors

    def _encode(self, texts: Sequence[str], prefix: str) -> Vectors:
        taken = list_of_texts(texts)
        if len(taken) == 1:
            tokenised = self._tokenise(taken, prefix, 0)
            return self.runtime.encode_one(tokenised)
        vectors = self.runtime.output.allocate(len(taken))
        for _ in self._windows_of_vectors(taken, prefix, into=vectors):
            pass
        return vectors

    async def _aencode(self, texts: Sequence[str], prefix: str) -> Vectors:
        import asyncio  # noqa: PLC0415 - 25 ms and 4 MB that only a program of asyncio needs, and has already

        taken = list_of_texts(texts)
        vectors = self.runtime.output.allocate(len(taken))
        first_index = 0
        for window in self._windows(taken):
            try:
                tokenising = asyncio.get_running_loop().run_in_executor(
                    None, self._tokenise, window, prefix, first_index
                )
            except RuntimeError:  # no thread can be started
                tokenised = self._tokenise(window, prefix, first_index)
            else:
                tokenised = await tokenising
            # A task that was cancelled meanwhile stops at the await above, and nothing is encoded for it.
            with _counting_from(first_index):
                part = vectors[first_index : first_index + len(window)]
                await asyncio.wrap_future(self.runtime.submit(tokenised, into=part))
            first_index += len(window)
        return vectors

    def _windows_of_vectors(
        self, texts: Iterable[str], prefix: str, *, into: Vectors | None = None
    ) -> Iterator[Vectors]:
        """Encode window by window, tokenising one while the one before it is encoded; store them ``into`` an array."""
        encoding: deque[tuple[int, Future[Vectors]]] = deque()
        first_index = 0
        queue = self.runtime.queue
        try:
            for window in self._windows(texts):
                part = None if into is None else into[first_index : first_index + len(window)]
                tokenised = self._tokenise(window, prefix, first_index)
                encoding.append((first_index, self.runtime.submit(tokenised, into=part)))
                first_index += len(window)
                if len(encoding) > 1:
                    yield self._result(queue, *encoding[0])
                    encoding.popleft()
            while encoding:
                yield self._result(queue, *encoding[0])
                encoding.popleft()
        finally:
            if queue is self.runtime.queue:
                for _, future in encoding:
                    future.cancel()

    def _result(self, begun_in: BatchQueue, first_index: int, future: Future[Vectors]) -> Vectors:
        """Wait for a window; a child cannot, for its parent's threads run the batches."""
        if begun_in is not self.runtime.queue:
            raise StateError("the process was forked while it read this stream: a child must begin one of its own")
        with _counting_from(first_index):
            return future.result()

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

    def _tokenise(self, texts: list[str], prefix: str, first_index: int) -> TokenisedTexts:
        tokenised = self.runtime.tokenizer.tokenise(texts, prefix=prefix, first_index=first_index)
        if tokenised.cut and self.settings.on_long == "error":
            problem = (
                f"has more than the {self.max_tokens} tokens this model takes; split it, or set on_long='truncate'"
            )
            raise InvalidTextError(first_index + tokenised.cut[0], problem)
        return tokenised


def _prompt(folder: Path, name: str) -> str:
    """Return a prompt that a folder's checkpoint names."""
    prompts = read_model_folder(folder).prompts
    if name not in prompts:
        raise InvalidInputError(f"{folder} has no prompt {name!r}; it has {', '.join(sorted(prompts)) or 'none'}")
    return prompts[name]


def _with_prefixes(spec: ModelSpec, query: str | None, document: str | None) -> ModelSpec:
    """Return the spec with the prefixes that are given, and the fingerprint that follows from them.

    Raises:
        InvalidInputError: a prefix is no text.
    """
    for name, prefix in (("query_prefix", query), ("document_prefix", document)):
        try:
            refuse_bad_texts(["" if prefix is None else prefix], 0)
        except InvalidTextError as error:
            raise InvalidInputError(f"{name} {error.problem}") from error
    changed = replace(
        spec,
        query_prefix=spec.query_prefix if query is None else query,
        document_prefix=spec.document_prefix if document is None else document,
    )
    return replace(changed, fingerprint=fingerprint_of(changed))


@contextmanager
def _counting_from(first_index: int) -> Iterator[None]:
    """Turn an error's index in a window into the index among all of the caller's texts."""
    try:
        yield
    except InvalidTextError as error:
        raise InvalidTextError(first_index + error.index, error.problem) from error
