"""OpenVINO with INT8 by NNCF, in a loop that uses it as well as it can be used.

Pooling and normalisation are in the graph. Texts are sorted by length and cut into batches by a token budget, padded or
of equal length, and several requests run at once. What is best of this is found by tuning.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import openvino
from openvino import properties
from tokenizers import Tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from contenders.engine import Settings, Setup

    Batch = tuple[list[int], npt.NDArray[np.int64], npt.NDArray[np.int64]]

PACKAGES = ("openvino", "nncf", "tokenizers", "numpy")
MAX_TOKENS = 512
CALIBRATION_TEXTS = 300
TOKEN_BUDGETS = (256, 512, 1024, 2048, 4096)


def prepare(setup: Setup, texts: list[str]) -> None:
    """Trace the checkpoint with its pooling, and quantise it, calibrated on texts like the benchmark's own."""
    graph = _graph(setup)
    if graph.exists():
        return
    import nncf  # noqa: PLC0415 - not a part of the start

    inputs = [
        {"input_ids": ids, "attention_mask": mask}
        for _, ids, mask in plan(Tokeniser(setup.checkpoint).ids(texts[:CALIBRATION_TEXTS]), 1, equal_length=True)
    ]
    model = nncf.quantize(
        _traced(setup.checkpoint),
        nncf.Dataset(inputs),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=CALIBRATION_TEXTS,
    )
    graph.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(model, graph)


def _graph(setup: Setup) -> Path:
    return setup.work / "openvino-int8" / "model.xml"


def _traced(checkpoint: Path) -> openvino.Model:
    from contenders.pooled_bert import PooledBert  # noqa: PLC0415 - it imports torch, loading does not

    example = PooledBert.example()
    return openvino.convert_model(PooledBert(checkpoint), example_input=example)


def load(setup: Setup) -> OpenvinoEngine:
    """Read the graph; it is compiled when settings are known."""
    return OpenvinoEngine(_graph(setup), Tokeniser(setup.checkpoint), setup.threads)


class Tokeniser:
    """The checkpoint's tokenizer with the benchmark's limit, without padding."""

    def __init__(self, checkpoint: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)

    def ids(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts)]


def plan(ids: list[list[int]], token_budget: int, *, equal_length: bool) -> list[Batch]:
    """Rows, ids and mask of each batch, longest texts first; a batch has at most ``token_budget`` places."""
    groups: list[list[int]] = []
    for row in sorted(range(len(ids)), key=lambda row: -len(ids[row])):
        group = groups[-1] if groups else []
        longest = len(ids[group[0]]) if group else 0
        fits = bool(group) and (len(group) + 1) * longest <= token_budget
        if fits and not (equal_length and len(ids[row]) != longest):
            group.append(row)
        else:
            groups.append([row])
    return [_padded(group, ids) for group in groups]


def _padded(rows: list[int], ids: list[list[int]]) -> Batch:
    tokens = np.zeros((len(rows), len(ids[rows[0]])), dtype=np.int64)
    mask = np.zeros_like(tokens)
    for place, row in enumerate(rows):
        tokens[place, : len(ids[row])] = ids[row]
        mask[place, : len(ids[row])] = 1
    return rows, tokens, mask


class OpenvinoEngine:
    """A compiled graph and a queue of requests."""

    def __init__(self, graph: Path, tokeniser: Tokeniser, threads: int) -> None:
        self.core = openvino.Core()
        self.model = self.core.read_model(graph)
        self.tokeniser = tokeniser
        self.threads = threads
        self.dimension = self.model.output(0).partial_shape[1].get_length()
        self.compiled_with: tuple[int, str] | None = None

    def candidates(self) -> list[Settings]:
        """Streams, number format of what is not INT8, way of batching, token budget."""
        streams = sorted({1, self.threads}, reverse=True)
        every = product(streams, ("f32", "bf16"), ("equal", "padded"), TOKEN_BUDGETS)
        names = ("streams", "rest", "batches", "token_budget")
        return [dict(zip(names, values, strict=True)) for values in every]

    def use(self, settings: Settings) -> None:
        """Compile where streams or number format are others than before."""
        self.settings = settings
        compile_with = (int(settings["streams"]), str(settings["rest"]))
        if compile_with != self.compiled_with:
            self.compiled_with = compile_with
            compiled = self.core.compile_model(self.model, "CPU", self._hints(*compile_with))
            # One request more than streams: the next batch is there when one is done.
            self.queue = openvino.AsyncInferQueue(compiled, compile_with[0] + 1)
            self.queue.set_callback(self._keep)

    def _hints(self, streams: int, rest: str) -> dict[str, int | str | openvino.Type]:
        return {
            properties.inference_num_threads(): self.threads,
            properties.num_streams(): streams,
            properties.hint.inference_precision(): openvino.Type.f32 if rest == "f32" else openvino.Type.bf16,
        }

    def _keep(self, request: openvino.InferRequest, rows: list[int]) -> None:
        self.vectors[rows] = request.get_output_tensor(0).data

    def encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Encode in batches, several at once."""
        equal_length = self.settings["batches"] == "equal"
        self.vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for rows, ids, mask in plan(
            self.tokeniser.ids(texts), int(self.settings["token_budget"]), equal_length=equal_length
        ):
            self.queue.start_async({"input_ids": ids, "attention_mask": mask}, rows)
        self.queue.wait_all()
        return self.vectors
