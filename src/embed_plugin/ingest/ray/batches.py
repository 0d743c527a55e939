"""The encoder, and ingest, for ``map_batches`` in Ray Data pipelines of one's own."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest.ids import SeenIds
from embed_plugin.ingest.partition import Shard
from embed_plugin.ingest.ray.actor import start_here
from embed_plugin.ingest.ray.lazy_encoder import LazyEncoder
from embed_plugin.ingest.read.fields import Origin, record_of_fields
from embed_plugin.ingest.read.json_values import as_json
from embed_plugin.ingest.read.settings import ReaderSettings
from embed_plugin.ingest.records import Record, Rejected
from embed_plugin.ingest.settings import IngestSettings

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from embed_plugin.ingest.stores.sink import Sink
    from embed_plugin.ingest.window.workers import LocalWorkers, Outcome
    from embed_plugin.protocols import TextEncoder

_BY_ID = ReaderSettings(id_field="id")


class EmbedDocuments:
    """Adds a column with the vector of each text, as documents are encoded.

    Give the class to ``map_batches``, with ``fn_constructor_args`` for what is here, and ``concurrency`` for the number
    of processes. Each loads the model when its first batch comes, and has a thread for each of its ``num_cpus``.

    Args:
        model: See :class:`LazyEncoder`; best a folder or a hub id.
        text: The column of texts.
        vector: The column that is added, float32 ``(n, dimension)``.
    """

    def __init__(
        self, model: TextEncoder | str | os.PathLike[str], *, text: str = "text", vector: str = "embedding"
    ) -> None:
        self._encoder = LazyEncoder(model)
        self._text = text
        self._vector = vector

    def __call__(self, batch: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """The batch, in Ray's numpy format, with one more column.

        Raises:
            InvalidTextError: a text is not a str, or holds a lone surrogate.
        """
        return {**batch, self._vector: self._encoder.load().encode_documents(batch[self._text].tolist())}


class IngestRows:
    """Ingests rows: finds what changed, cuts, embeds and stores it; a row for each says what became of it.

    For ``map_batches`` with ``batch_format="pyarrow"``; a batch is a window, and 512 rows are a good one. The
    collection has to be there: ``sink.prepare(encoder)`` makes it, once. Ids and ledger are those of ``ingest``, which
    may bring the same collection up to date, and whose guards over a whole run are not here: an id that is used in two
    batches is not found, and nothing is mirrored.

    Args:
        model: See :class:`LazyEncoder`; best a folder or a hub id.
        sink: A collection of a Qdrant server.
        read_as: Which columns are the id, the text and the metadata; ``id``, ``text`` and all others by default.
        settings: The defaults where None.

    Raises:
        InvalidInputError: no column is the id, or the settings have a shard or ``mirror``.
        TargetError: the sink is one that only one process may have open.
    """

    def __init__(
        self,
        model: TextEncoder | str | os.PathLike[str],
        sink: Sink,
        *,
        read_as: ReaderSettings = _BY_ID,
        settings: IngestSettings | None = None,
    ) -> None:
        settings = settings or IngestSettings()
        if read_as.id_field is None:
            raise InvalidInputError("no column was chosen as the id: name it as the id_field of read_as")
        if settings.mirror or settings.shard != Shard():
            raise InvalidInputError("a batch is not a whole run: leave out shard and mirror, or use ingest")
        self._about = LazyEncoder(model), pickle.dumps(sink), settings
        self._read_as = read_as
        self._threads: LocalWorkers | None = None

    def __call__(self, batch: Any) -> dict[str, npt.NDArray[Any]]:  # noqa: ANN401 - a pyarrow.Table
        """Ingest a ``pyarrow.Table``.

        Returns:
            Columns of a row each, in their order: ``source_id``; ``status``, which is ``new``, ``changed``,
            ``metadata_only``, ``unchanged``, ``empty`` or ``rejected``; ``chunks`` and ``embedded``, numbers;
            ``reason``, of the rejection.

        Raises:
            TargetError: the store cannot be reached or refuses, or the collection is not there.
            SpaceMismatchError: it holds vectors of another space.
        """
        rows = _once([self._read(row, number) for number, row in enumerate(batch.to_pylist(), 1)])
        try:
            outcome = self._started().start([row for row in rows if isinstance(row, Record)]).result()
        except Exception:
            self._threads = None  # the next batch, or this one again, is for others
            raise
        told = _told(rows, outcome)
        return {name: np.array(column) for name, column in zip(_Told._fields, zip(*told, strict=True), strict=False)}

    def _read(self, row: Mapping[str, object], number: int) -> Record | Rejected:
        origin = Origin("", "row", number)
        try:
            fields = {name: as_json(value) for name, value in row.items()}
        except TypeError as error:
            return Rejected(f"row {number} holds what JSON has no word for ({error})", origin.place)
        return record_of_fields(fields, origin, self._read_as)

    def _started(self) -> LocalWorkers:
        if self._threads is None:
            self._threads = start_here(*self._about)
        return self._threads


class _Told(NamedTuple):
    source_id: str
    status: str
    chunks: int = 0
    embedded: int = 0
    reason: str = ""


def _once(rows: Sequence[Record | Rejected]) -> list[Record | Rejected]:
    """The rows, without a second one of an id."""
    again = iter(SeenIds().add([row.source_id for row in rows if isinstance(row, Record)]))
    return [
        Rejected.of(row, f"the id {row.source_id!r} is used twice in a batch: give every row an id of its own")
        if isinstance(row, Record) and next(again)
        else row
        for row in rows
    ]


def _told(rows: Sequence[Record | Rejected], outcome: Outcome) -> list[_Told]:
    changes = {change.source_id: change for change in outcome.changes}
    reasons = {one.source_id: one.reason for one in (*outcome.uncut, *outcome.refused)}
    told = []
    for row in rows:
        reason = row.reason if isinstance(row, Rejected) else reasons.get(row.source_id)
        if reason is not None:
            told.append(_Told(row.source_id or "", "rejected", reason=reason))
        else:
            change = changes[row.source_id or ""]
            told.append(_Told(change.source_id, change.status, change.count, len(change.embed)))
    return told
