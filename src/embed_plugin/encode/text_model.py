"""A loaded model of any kind: windows of a caller's items are tokenised, queued, and come back as results in order."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self

from embed_plugin.encode.canary_check import Loaded, check_moved
from embed_plugin.encode.opened_folder import OpenedFolder
from embed_plugin.encode.outputs import result_of
from embed_plugin.encode.runtime import Runtime
from embed_plugin.errors import InvalidTextError, StateError
from embed_plugin.model.kinds import KINDS, require_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from embed_plugin.encode.queue import BatchQueue
    from embed_plugin.encode.settings import EncoderSettings
    from embed_plugin.model.spec import ModelSpec
    from embed_plugin.types import Kind, Results, TokenisedTexts

    Tokenise = Callable[[list[Any], int], TokenisedTexts]
    """Tokenises the items of a window, the first of which has this index among the caller's."""

WINDOW_CHARACTERS = 4_000_000
"""A window of items ends here even when it holds fewer than ``window_texts``: long texts cost memory too."""


class TextModel:
    """A model folder, loaded for one kind of result. Each kind has a class over this one, with its own methods.

    Attributes:
        folder: The model folder's absolute path.
        settings: How to run.
        spec: The model's facts, with the prefixes in use.
        runtime: The steps of encoding as separate calls, the queue and the counters, for services and pipelines.
    """

    kind: ClassVar[Kind]
    """Kind of the results."""

    gives_all: ClassVar[bool] = False
    """The results are those of all kinds that the model gives."""

    runtime_class: ClassVar[type[Runtime]] = Runtime
    """The class of :attr:`runtime`; a subclass may set its own."""

    _opened: OpenedFolder  # stated here for mypy: __init__ reads another model's

    def __init__(
        self,
        folder: Path | TextModel,
        settings: EncoderSettings,
        in_folder: str | None = None,
        change: Callable[[ModelSpec], ModelSpec] | None = None,
    ) -> None:
        """Load a model folder, which must have the fingerprint ``in_folder`` if given.

        Args:
            folder: The folder; or a model that is loaded from it, whose sessions and tokenizer this one shares.
            settings: How to run.
            in_folder: The fingerprint that the folder must have.
            change: Returns the facts in use, with other prefixes, say.

        Raises:
            ModelFolderError: the folder is missing, damaged, or of another kind.
        """
        make_runtime: Callable[[OpenedFolder, ModelSpec, EncoderSettings, tuple[Kind, ...]], Runtime]
        if isinstance(folder, TextModel):
            opened, make_runtime = folder._opened, folder._runtime_beside
        else:
            opened, make_runtime = OpenedFolder(folder, in_folder), self.runtime_class
        require_kind(opened.spec, self.kind, opened.path)
        self._opened = opened
        self.folder = opened.path
        self.settings = settings
        self._in_folder = opened.spec.fingerprint
        self.spec = change(opened.spec) if change else opened.spec
        kinds = self.spec.kinds if self.gives_all else (self.kind,)
        self.runtime = make_runtime(opened, self.spec, settings, kinds)
        if settings.on_other_cpu != "ignore" and not isinstance(folder, TextModel):
            first = opened.spec.kinds[0]  # canaries are of this kind, which may be another than is loaded
            result = result_of(first, opened.spec.dimension, opened.spec.facts)
            session = self.runtime.session.giving(KINDS[first].output)
            check_moved(opened.spec, Loaded(self.runtime.tokenizer, session, result), settings.on_other_cpu)

    @property
    def max_tokens(self) -> int:
        """Token limit of one text, special tokens and prefix included."""
        return self.spec.max_tokens

    @property
    def fingerprint(self) -> str:
        """Identity of the results: equal fingerprints mean comparable results."""
        return self.spec.fingerprint

    @classmethod
    def of_loaded(cls, other: TextModel) -> Self:
        """Return the model of another kind of a folder that is loaded; weights and tokenizer stay in memory once.

        Args:
            other: A model that was loaded from the folder, whose settings this one has too.

        Raises:
            ModelFolderError: the folder gives no results of this kind.
        """
        return cls(other, other.settings)

    def _runtime_beside(
        self, opened: OpenedFolder, spec: ModelSpec, settings: EncoderSettings, kinds: tuple[Kind, ...]
    ) -> Runtime:
        """Return the runtime of another model of this folder."""
        return self.runtime_class(opened, spec, settings, kinds)

    def _all(self, items: Sequence[Any], tokenise: Tokenise) -> Results:
        """Return the results of all items, in their order."""
        if len(items) == 1:
            return self.runtime.encode_one(self._checked(tokenise(list(items), 0), 0))
        results = self.runtime.output.allocate(len(items))
        for _ in self._windows_of_results(items, tokenise, into=results):
            pass
        return results

    def _stream(self, items: Iterable[Any], tokenise: Tokenise) -> Generator[Any, None, None]:
        """Yield the results of items in their order; at most two windows of them are held."""
        for results in self._windows_of_results(items, tokenise):
            yield from results

    async def _aall(self, items: Sequence[Any], tokenise: Tokenise) -> Results:
        """:meth:`_all` for asyncio: the loop stays free, and concurrent callers share batches."""
        import asyncio  # noqa: PLC0415 - 25 ms and 4 MB that only a program of asyncio needs, and has already

        results = self.runtime.output.allocate(len(items))
        first_index = 0
        for window in self._windows(items):
            try:
                tokenising = asyncio.get_running_loop().run_in_executor(None, tokenise, window, first_index)
            except RuntimeError:  # no thread can be started
                tokenised = tokenise(window, first_index)
            else:
                tokenised = await tokenising
            # A task that was cancelled meanwhile stops at the await above, and nothing is encoded for it.
            with _counting_from(first_index):
                part = results[first_index : first_index + len(window)]
                await asyncio.wrap_future(self.runtime.submit(self._checked(tokenised, first_index), into=part))
            first_index += len(window)
        return results

    def _windows_of_results(
        self, items: Iterable[Any], tokenise: Tokenise, *, into: Results | None = None
    ) -> Iterator[Results]:
        """Encode window by window, tokenising one while the one before it is encoded; store them ``into`` an array."""
        encoding: deque[tuple[int, Future[Results]]] = deque()
        first_index = 0
        queue = self.runtime.queue
        try:
            for window in self._windows(items):
                part = None if into is None else into[first_index : first_index + len(window)]
                tokenised = self._checked(tokenise(window, first_index), first_index)
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

    def _result(self, begun_in: BatchQueue, first_index: int, future: Future[Results]) -> Results:
        """Wait for a window; a child cannot, for its parent's threads run the batches."""
        if begun_in is not self.runtime.queue:
            raise StateError("the process was forked while it read this stream: a child must begin one of its own")
        with _counting_from(first_index):
            return future.result()

    def _windows(self, items: Iterable[Any]) -> Iterator[list[Any]]:
        window: list[Any] = []
        characters = 0
        for item in items:
            window.append(item)
            characters += sum(len(text) for text in (item if isinstance(item, tuple) else (item,)) if _is_text(text))
            if len(window) == self.settings.window_texts or characters >= WINDOW_CHARACTERS:
                yield window
                window, characters = [], 0
        if window:
            yield window

    def _checked(self, tokenised: TokenisedTexts, first_index: int, limit: int | None = None) -> TokenisedTexts:
        """Refuse texts that were cut, if the settings say so; ``limit`` is theirs, if not the model's."""
        if tokenised.cut and self.settings.on_long == "error":
            limit = limit or self.max_tokens
            problem = f"has more than the {limit} tokens this model takes; split it, or set on_long='truncate'"
            raise InvalidTextError(first_index + tokenised.cut[0], problem)
        return tokenised


def _is_text(item: object) -> bool:
    """Tell a text from what will be refused later."""
    return isinstance(item, str)


@contextmanager
def _counting_from(first_index: int) -> Iterator[None]:
    """Turn an error's index in a window into the index among all of the caller's items."""
    try:
        yield
    except InvalidTextError as error:
        raise InvalidTextError(first_index + error.index, error.problem) from error
