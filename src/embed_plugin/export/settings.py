"""The settings of an export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from embed_plugin.errors import InvalidInputError
from embed_plugin.export.checks.compare import DEFAULT_FLOOR

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.export.choose_exporter import ExporterName
    from embed_plugin.types import Precision


@dataclass(frozen=True)
class ExportSettings:
    """The settings of an export.

    Attributes:
        precision: ``int8`` or ``fp32``.
        exporter: ``native`` needs no more than the extra ``export``, nor does ``onnx``, which takes a ready ONNX file;
            ``optimum`` covers more architectures; ``auto`` is the first of these that covers the checkpoint.
        kind: Kind of the model, where its files do not say it: ``sparse`` for a masked language model that is SPLADE;
            None: what they say.
        adapter: The checkpoint's adapter to merge: a task of jina-embeddings-v3, or a folder with a PEFT adapter; None:
            the PEFT adapter that lies beside the weights, if there is one.
        calibration: A file of lines, a ``.jsonl`` file or a folder, read beside the built-in texts; None: those alone.
        query_prefix: Overrides the checkpoint's prefix and the known one; None: keeps them.
        document_prefix: The same for documents.
        max_tokens: Token limit of one text; None: the checkpoint's.
        dimension: Length of a vector, for Matryoshka models; None: the checkpoint's.
        min_cosine: Mean cosine of INT8 to fp32 on one kind of text below which the export is refused; of a reranker,
            the rank correlation of its scores with fp32's on pairs of all kinds.
        gate: A BEIR folder; both models are evaluated on it before the folder is made; None: no gate.
        max_drop: Largest loss of nDCG@10 there, in per cent of the fp32 model's.
        weights_sha256: Required hash of ``model.safetensors``; None: any.
        overwrite: Replace an existing model folder.
    """

    precision: Precision = "int8"
    exporter: ExporterName = "auto"
    kind: Literal["sparse"] | None = None
    adapter: str | None = None
    calibration: Path | None = None
    query_prefix: str | None = None
    document_prefix: str | None = None
    max_tokens: int | None = None
    dimension: int | None = None
    min_cosine: float = DEFAULT_FLOOR
    gate: Path | None = None
    max_drop: float = 1.0
    weights_sha256: str | None = None
    overwrite: bool = False


def refuse_settings_of_vectors(settings: ExportSettings) -> None:
    """Refuse the settings that a model without vectors of texts has no use for.

    Raises:
        InvalidInputError: one of them is set.
    """
    given = [name for name in ("query_prefix", "document_prefix", "dimension") if getattr(settings, name) is not None]
    if given:
        raise InvalidInputError(f"{given[0]} is a setting of embedding models, and this is none: leave it out")
