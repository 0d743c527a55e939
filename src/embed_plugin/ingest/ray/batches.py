"""The encoder and ingest as classes for ``map_batches`` in your own Ray Data pipelines."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest.ids import SeenIds
from embed_plugin.ingest.partition import Shard
from embed_plugin.ingest.ray.actor import start_here
from embed_plugin.ingest.ray.lazy_encoder import LazyEncoder
from embed_plugin.ingest.read.fields import Origin, fields_of_row, record_of_fields
from embed_plugin.ingest.read.formats.arrow_values import row_as_json, rows_of
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
    """Adds a column with the vector of each text, encoded as a document.

    Pass the class to ``map_batches``, with ``fn_constructor_args`` for the arguments below, and ``concurrency`` for the
    number of processes. Each loads the model with its first batch, and has a thread for each of its ``num_cpus``.

    Args:
        model: See :class:`LazyEncoder`; best a folder or a hub id.
        text: The column of texts.
        vector: The column to add, float32 ``(n, dimension)``.
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
    """Ingests rows: compares, cuts, embeds and stores them, and returns a row with the outcome of each.

    For ``map_batches`` with ``batch_format="pyarrow"``; a batch is a window, of 512 rows for example. The collection
    must exist: ``sink.prepare(encoder)`` creates it. Ids and ledger are those of ``ingest``, so both may update the
    same collection; the rows are of the source that ``read_as`` names. The guards of ``ingest`` over a whole run are
    missing: an id used in two batches is not detected, and nothing is mirrored.

    Args:
        model: See :class:`LazyEncoder`; best a folder or a hub id.
        sink: A collection of a Qdrant server.
        read_as: The columns of id, text and metadata; ``id``, ``text`` and all others by default.
        settings: The defaults if None.

    Raises:
        InvalidInputError: no column is the id, or the settings have a shard or ``mirror``.
        TargetError: only one process may have the sink open.
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
            A row for each, in order, with the columns ``source_id``; ``status``, which is ``new``, ``changed``,
            ``metadata_only``, ``unchanged``, ``empty`` or ``rejected``; ``chunks`` and ``embedded``, numbers;
            ``reason`` of a rejection.

        Raises:
            TargetError: the store cannot be reached or refuses, or the collection is not there.
            SpaceMismatchError: it holds vectors of another space.
        """
        names = batch.column_names
        rows = _once([self._read(names, cells, number) for number, cells in enumerate(rows_of(batch), 1)])
        try:
            outcome = self._started().start([row for row in rows if isinstance(row, Record)]).result()
        except Exception:
            self._threads = None  # the next batch, or a retry of this one, starts new workers
            raise
        told = _told(rows, outcome)
        return {name: np.array(column) for name, column in zip(_Told._fields, zip(*told, strict=True), strict=False)}

    def _read(self, names: Sequence[str], cells: Sequence[object], number: int) -> Record | Rejected:
        origin = Origin("", "row", number)
        try:
            fields = fields_of_row(names, row_as_json(names, cells), self._read_as)
        except ValueError as error:
            return Rejected(f"row {number}: {error}", origin.place)
        found = record_of_fields(fields, origin, self._read_as)
        return replace(found, source_name=self._read_as.source or "")

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
    """Reject rows whose id an earlier row has."""
    again = iter(SeenIds().add([row.key for row in rows if isinstance(row, Record)]))
    return [
        Rejected.of(row, f"the id {row.source_id!r} is used twice in a batch: give every row an id of its own")
        if isinstance(row, Record) and next(again)
        else row
        for row in rows
    ]


def _told(rows: Sequence[Record | Rejected], outcome: Outcome) -> list[_Told]:
    changes = {change.key: change for change in outcome.changes}
    reasons = {one.key: one.reason for one in (*outcome.uncut, *outcome.refused)}
    told = []
    for row in rows:
        reason = row.reason if isinstance(row, Rejected) else reasons.get(row.key)
        if reason is not None:
            told.append(_Told(row.source_id or "", "rejected", reason=reason))
        else:
            change = changes[row.key or ""]
            told.append(_Told(change.record.source_id, change.status, change.count, len(change.embed)))
    return told
