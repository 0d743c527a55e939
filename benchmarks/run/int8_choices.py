"""Compare ways of quantising all-MiniLM-L6-v2 to INT8: calibration, outliers, weights, layers left in fp32.

Run:  .venv/bin/python benchmarks/run/int8_choices.py --scifact BEIR_FOLDER --stsb sts-test.csv

Every row is a model made from the same fp32 graph. Cosines are to the fp32 vectors of every tenth SciFact document; the
time is that of runs of 5 texts of 50 tokens and of 1 text of 256 on one core, all rows in turn, round after round, as
the median of the ratios to the row "min-max". Calibration reads the built-in texts, which are of other domains than the
two datasets, unless the row says otherwise.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import Encoder
from embed_plugin.cpu import detect_class
from embed_plugin.encode.session import ONNXRUNTIME_VERSION, OnnxSession
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.evaluate import evaluate_retrieval, evaluate_similarity, read_retrieval_dataset, read_sentence_pairs
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.int8.calibrate import Ranges, measure_ranges
from embed_plugin.export.int8.quantise import quantise, quantised_activations
from embed_plugin.export.int8.texts import read_calibration_texts
from embed_plugin.model.folder import write_manifest
from lib.checkpoints import SOURCE
from lib.int8_variants import FLAT_METHODS, flat, ranges_by, smoothed, with_hidden_words, with_int8_weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from embed_plugin.evaluate import RetrievalDataset, SentencePair

ROUNDS = 60
SHAPES = ((5, 50), (1, 256))


class Variants:
    """Makes the models, one by one, from an fp32 folder."""

    def __init__(self, fp32: Path, dataset: RetrievalDataset, pairs: Sequence[SentencePair]) -> None:
        self.graph = fp32 / "model.onnx"
        self.model = onnx.load(self.graph)
        self.tokenizer = TextTokenizer(fp32 / "tokenizer.json", max_tokens=256)
        self.dataset = dataset
        self.pairs = pairs

    def inputs(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """Token ids ``(1, length)`` of each text."""
        ids = self.tokenizer.tokenise(list(texts), prefix="", first_index=0).ids
        return [np.array([each], dtype=np.int64) for each in ids]

    def ranges(self, texts: Sequence[str], graph: Path | None = None) -> Ranges:
        """Channel ranges on some texts."""
        graph = graph or self.graph
        activations = quantised_activations(onnx.load(graph))
        return measure_ranges(graph, activations, self.inputs(texts), lambda _: None)

    def all(self) -> Iterator[tuple[str, onnx.ModelProto]]:
        """Yield a name and a graph for each row of the table."""
        built_in = read_calibration_texts(None).calibrated_on
        ranges = self.ranges(built_in)
        yield "min-max", quantise(self.model, flat(ranges))
        yield "**min-max, outlier channels copied (default)**", quantise(self.model, ranges)
        yield "dynamic", quantise(self.model, None)
        yield "default, fp32 word embeddings", quantise(with_hidden_words(self.model), ranges)
        yield "int8 weights alone", with_int8_weights(self.model)
        for method in FLAT_METHODS:
            yield method, quantise(self.model, ranges_by(method, self.graph, self.inputs(built_in), ranges))
        for exponent in (0.5, 0.7):
            graph = self.graph.with_name("smoothed.onnx")
            onnx.save(smoothed(self.model, ranges, exponent), graph)
            smooth = self.ranges(built_in, graph)
            yield f"smoothed, exponent {exponent}", quantise(onnx.load(graph), flat(smooth))
        yield from self.partly_fp32(ranges)
        yield from self.other_texts(built_in)

    def partly_fp32(self, ranges: Ranges) -> Iterator[tuple[str, onnx.ModelProto]]:
        """Leave single products, or a layer, out of INT8."""
        left_out = {
            "min-max, layer 0's last product in fp32": "encoder.layer.0.activation",
            "min-max, every layer's last product in fp32": ".activation",
            "default, layer 0 in fp32": ".layer.0.",
        }
        for name, part in left_out.items():
            kept = {value: each for value, each in ranges.items() if part not in value}
            yield name, quantise(self.model, kept if name.startswith("default") else flat(kept))

    def other_texts(self, built_in: Sequence[str]) -> Iterator[tuple[str, onnx.ModelProto]]:
        """Calibrate the default on fewer texts, and on text of other domains."""
        documents = [document.text for document in self.dataset.documents()]
        sentences = [pair.first for pair in self.pairs]
        for count in (1, 4, 16):
            yield (
                f"default, {count} built-in texts",
                quantise(self.model, self.ranges(built_in[:: len(built_in) // count][:count])),
            )
        for name, texts in (("SciFact documents", documents), ("STS-B sentences", sentences)):
            for count in (62, 512):
                spread = texts[:: len(texts) // count][:count]
                yield f"default, {count} {name}", quantise(self.model, self.ranges(spread))


def measure(
    folder: Path, exact: npt.NDArray[np.float32], dataset: RetrievalDataset, pairs: Sequence[SentencePair]
) -> tuple[str, str, str]:
    """Cells of one row: cosine to fp32, nDCG@10, Spearman."""
    encoder = Encoder.load(folder)
    vectors = encoder.encode_documents([document.text for document in dataset.documents()][::10])
    cosines = np.sum(vectors * exact, axis=1, dtype=np.float64)
    ndcg = evaluate_retrieval(encoder, dataset).means["ndcg@10"]
    spearman = evaluate_similarity(encoder, pairs).spearman
    return f"{cosines.mean():.4f}, {cosines.min():.4f}", f"{100 * ndcg:.2f}", f"{100 * spearman:.2f}"


def relative_times(graphs: dict[str, Path], reference: str) -> dict[str, float]:
    """Median over rounds and shapes of each graph's time over the reference's."""
    sessions = {name: OnnxSession(graph, detect_class()) for name, graph in graphs.items()}
    rng = np.random.default_rng(0)
    ratios: dict[str, list[float]] = {name: [] for name in graphs}
    for round_number in range(ROUNDS + 3):
        for shape in SHAPES:
            ids = rng.integers(1000, 20000, shape)
            seconds = {}
            for name, session in sessions.items():
                started = time.perf_counter()
                session.run(ids)
                seconds[name] = time.perf_counter() - started
            if round_number >= 3:  # noqa: PLR2004 - the first warm up
                for name, taken in seconds.items():
                    ratios[name].append(taken / seconds[reference])
    return {name: statistics.median(each) for name, each in ratios.items()}


def main() -> None:
    """Make every model, measure, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scifact", type=Path, required=True)
    parser.add_argument("--stsb", type=Path, required=True)
    arguments = parser.parse_args()
    dataset, pairs = read_retrieval_dataset(arguments.scifact), read_sentence_pairs(arguments.stsb)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        spec = export(SOURCE, home / "fp32", ExportSettings(precision="fp32"))
        exact = Encoder.load(home / "fp32").encode_documents([each.text for each in dataset.documents()][::10])
        graphs, cells = {}, {}
        graphs["fp32"] = home / "fp32" / "model.onnx"
        cells["fp32"] = measure(home / "fp32", exact, dataset, pairs)
        for number, (row, model) in enumerate(Variants(home / "fp32", dataset, pairs).all()):
            folder = home / str(number)
            folder.mkdir()
            shutil.copy(home / "fp32" / "tokenizer.json", folder)
            graphs[row] = folder / "model.onnx"
            onnx.save(model, graphs[row])
            write_manifest(folder, spec)
            cells[row] = measure(folder, exact, dataset, pairs)
            print(row, *cells[row], flush=True)
        times = relative_times(graphs, "min-max")
    print(f"\n{platform.machine()}, onnxruntime {ONNXRUNTIME_VERSION}, {datetime.now(UTC):%Y-%m-%d}\n")
    print("| | cosine to fp32: mean, least | SciFact nDCG@10 | STS-B Spearman | time |\n|---|---|---|---|---|")
    for row, (cosine, ndcg, spearman) in cells.items():
        print(f"| {row} | {cosine} | {ndcg} | {spearman} | {times[row]:.2f} |")


if __name__ == "__main__":
    main()
