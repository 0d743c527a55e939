"""One run of a model for the models of several kinds that share its folder: each takes its own results of the run.

A program asks for a text's vector, words and token vectors one after the other, in the order of :data:`ORDER`. The
first call runs the model, and the results of the later kinds are kept, by the text's tokens, until they are asked for.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

from embed_plugin.encode.runtime import ProcessParts, Runtime
from embed_plugin.errors import InvalidTextError
from embed_plugin.model.kinds import KINDS
from embed_plugin.process_local import ProcessLocal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.encode.opened_folder import OpenedFolder
    from embed_plugin.encode.outputs import SeveralResults
    from embed_plugin.model.spec import ModelSpec
    from embed_plugin.types import Kind, Results, Rows, RowsOfSeveral, TokenisedTexts

ORDER: tuple[Kind, ...] = ("embedding", "sparse", "late-interaction")
"""The order in which ingest, search and verify ask for the results of a text."""

KEPT_BYTES = 512 << 20
"""Memory for results that are kept; beyond it the oldest are dropped, and their texts are run again when asked for."""

_ENTRY_BYTES = 400
"""Memory of a kept result besides its numbers: the key, two arrays and their places, about."""


class KeptResults:
    """Results of runs that were not asked for yet, by kind and tokens; may be used by several threads at once.

    Attributes:
        wanted: The kinds that will be asked for; others are not kept.
    """

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self.wanted: set[Kind] = set()
        self._most_bytes = most_bytes
        self._by_process = ProcessLocal[_Kept]()

    @property
    def size_bytes(self) -> int:
        """Memory of what is kept, about."""
        return self._by_process.get(_Kept).size_bytes

    def keep(self, kind: Kind, token_ids: Sequence[int], result: Any) -> None:  # noqa: ANN401 - of any kind
        """Keep a text's result, and drop the oldest ones beyond the limit."""
        key, kept = (kind, array("i", token_ids).tobytes()), self._by_process.get(_Kept)
        with kept.lock:
            kept.add(key, result)
            while kept.size_bytes > self._most_bytes:
                kept.drop(next(iter(kept.results)))

    def take(self, kind: Kind, texts: Sequence[Sequence[int]]) -> dict[int, Any]:
        """Return the kept results of texts by their index, and keep them no longer; equal texts get the same one."""
        keys = [(kind, array("i", ids).tobytes()) for ids in texts]
        kept = self._by_process.get(_Kept)
        with kept.lock:
            found = {key: kept.results[key] for key in keys if key in kept.results}
            for key in found:
                kept.drop(key)
        return {index: found[key] for index, key in enumerate(keys) if key in found}


_Key: TypeAlias = "tuple[Kind, bytes]"


@dataclass
class _Kept:
    """What a process keeps: a forked child begins with nothing, and with a lock that no thread of its parent holds."""

    results: OrderedDict[_Key, Any] = field(default_factory=OrderedDict)
    size_bytes: int = 0
    lock: Lock = field(default_factory=Lock)

    def add(self, key: _Key, result: Any) -> None:  # noqa: ANN401 - of any kind
        self.drop(key)
        self.results[key] = result
        self.size_bytes += _bytes_of(key, result)

    def drop(self, key: _Key) -> None:
        if key in self.results:
            self.size_bytes -= _bytes_of(key, self.results.pop(key))


def _bytes_of(key: _Key, result: Any) -> int:  # noqa: ANN401 - of any kind
    """Memory of a result: of an array, or of a sparse vector's two arrays."""
    arrays = [result] if hasattr(result, "nbytes") else [result.indices, result.values]
    return sum(int(each.nbytes) for each in arrays) + len(key[1]) + _ENTRY_BYTES


@dataclass(frozen=True)
class PartResult:
    """The results of one kind, of runs that give several; those of later kinds are kept.

    Attributes:
        kind: The kind.
        whole: The results of all kinds.
        kept: Where the others are kept.
    """

    kind: Kind
    whole: SeveralResults
    kept: KeptResults

    def allocate(self, texts: int) -> Results:
        """Return an array for the results of so many texts, of this kind."""
        return self.whole.parts[self.kind].allocate(texts)

    def check(self, rows: RowsOfSeveral, texts: int, tokens: int) -> None:
        """Refuse outputs of another shape than their kinds have.

        Raises:
            EncodingError: one has.
        """
        self.whole.check(rows, texts, tokens)

    def put(self, row: tuple[Rows, ...], token_ids: Sequence[int], results: Results, index: int) -> None:
        """Store the row of this kind as the result of the text at ``index``, and keep the results of later kinds."""
        later = ORDER[ORDER.index(self.kind) + 1 :]
        for (kind, part), own in zip(self.whole.parts.items(), row, strict=True):
            if kind == self.kind:
                part.put(own, token_ids, results, index)
            elif kind in later and kind in self.kept.wanted:
                alone = part.allocate(1)
                part.put(own, token_ids, alone, 0)
                self.kept.keep(kind, token_ids, alone[0])

    def canary(self, row: tuple[Rows, ...]) -> npt.NDArray[np.float32]:
        """Return the numbers of the row of this kind that stand for it."""
        at = list(self.whole.parts).index(self.kind)
        return self.whole.parts[self.kind].canary(row[at])


class PartRuntime(Runtime):
    """The runtime of one kind of results of a model that gives several: it shares the queue and the runs of the whole.

    A text whose result is kept needs no run.
    """

    def __init__(
        self, opened: OpenedFolder, spec: ModelSpec, kind: Kind, *, whole: Runtime, output: PartResult
    ) -> None:
        """Share a runtime.

        Args:
            opened: The folder.
            spec: Its facts, with the prefixes to use.
            kind: Kind of the results.
            whole: The runtime whose runs give all kinds.
            output: Makes the results, and keeps those of other kinds.
        """
        self._whole = whole
        super().__init__(opened, spec, whole.settings, (kind,))
        self.output, self._part = output, output
        output.kept.wanted.add(kind)

    @property
    def most_kept_tokens(self) -> int | None:
        """Tokens whose token vectors fit into what is kept; None where none are kept, for words take little."""
        if self._part.kind == "late-interaction" or "late-interaction" not in self._part.kept.wanted:
            return None
        return KEPT_BYTES // (4 * self.spec.dimension)

    def _start(self) -> ProcessParts:
        return ProcessParts(self._whole.session.giving(KINDS[self.kinds[0]].output), self._whole.queue)

    def submit(
        self, tokenised: TokenisedTexts, *, is_part: bool = False, into: Results | None = None
    ) -> Future[Results]:
        """Queue the texts whose results are not kept; the future gives those of all. Others' results are then kept."""
        found = self._part.kept.take(self._part.kind, tokenised.ids)
        if not found:
            return super().submit(tokenised, is_part=is_part, into=into)
        results = self.output.allocate(len(tokenised.ids)) if into is None else into
        for index, result in found.items():
            results[index] = result
        missing = [index for index in range(len(tokenised.ids)) if index not in found]
        queue = self._counted(tokenised)
        ids = [tokenised.ids[index] for index in missing]
        return _filled(results, missing, queue.submit(ids, is_part=is_part, output=self.output))

    def encode_one(self, tokenised: TokenisedTexts) -> Results:
        """Return the result of one text, to an array of one: the kept one, or that of a run."""
        found = self._part.kept.take(self._part.kind, tokenised.ids[:1])
        if not found:
            return super().encode_one(tokenised)
        self._counted(tokenised)
        results = self.output.allocate(1)
        results[0] = found[0]
        return results


def _filled(results: Results, missing: Sequence[int], rest: Future[Results]) -> Future[Results]:
    """Return the future of results, whose missing ones are those of another future; it cannot be cancelled."""
    whole: Future[Results] = Future()
    whole.set_running_or_notify_cancel()

    def fill(done: Future[Results]) -> None:
        error = done.exception()
        if isinstance(error, InvalidTextError):
            whole.set_exception(InvalidTextError(missing[error.index], error.problem))
        elif error is not None:
            whole.set_exception(error)
        else:
            for index, result in zip(missing, done.result(), strict=True):
                results[index] = result
            whole.set_result(results)

    rest.add_done_callback(fill)
    return whole
