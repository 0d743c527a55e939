"""OpenVINO with INT8 by NNCF, in a loop that uses it as well as it can be used.

Pooling and normalisation are in the graph. Texts are sorted by length and cut into batches by a token budget, padded or
of equal length, and several requests run at once. What is best of this is found by tuning.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino
from openvino import properties

from lib.token_batches import Tokeniser

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from contenders.engine import Settings, Setup

    Batch = tuple[list[int], npt.NDArray[np.int64], npt.NDArray[np.int64]]

PACKAGES = ("openvino", "nncf", "tokenizers", "numpy")
CALIBRATION_TEXTS = 300
BATCHES = ("equal", "padded")
EQUAL_ALONE = "int8-equal"
"""The variant for texts of one length."""

TOKEN_BUDGETS = (256, 512, 1024, 2048, 4096)


def prepare(setup: Setup, texts: list[str]) -> None:
    """Trace the checkpoint with its pooling, and quantise it, calibrated on texts like the benchmark's own."""
    for batches in _ways(setup):
        if not _graph(setup, batches).exists():
            _quantise(setup, texts[:CALIBRATION_TEXTS], batches)


def _quantise(setup: Setup, texts: list[str], batches: str) -> None:
    import nncf  # noqa: PLC0415 - not a part of the start
    import torch  # noqa: PLC0415 - the same

    from contenders.pooled_module import pooled_module  # noqa: PLC0415 - it imports torch

    one_by_one = plan(Tokeniser(setup.checkpoint).ids(texts), 1, equal_length=True)
    inputs = [inputs_of(ids, mask, batches) for _, ids, mask in one_by_one]
    example = {name: torch.from_numpy(values) for name, values in inputs[0].items()}
    traced = openvino.convert_model(pooled_module(setup.checkpoint), example_input=example)
    kind = nncf.ModelType.TRANSFORMER
    model = nncf.quantize(traced, nncf.Dataset(inputs), model_type=kind, subset_size=CALIBRATION_TEXTS)
    _graph(setup, batches).parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(model, _graph(setup, batches))


def inputs_of(ids: npt.NDArray[np.int64], mask: npt.NDArray[np.int64], batches: str) -> dict[str, Any]:
    """The inputs of a graph: batches of one length need no mask, and 2 to 8 % less time without it."""
    return {"input_ids": ids} if batches == "equal" else {"input_ids": ids, "attention_mask": mask}


def _ways(setup: Setup) -> tuple[str, ...]:
    """The ways of batching that are tried; texts of one length need no padding."""
    return BATCHES[:1] if setup.variant == EQUAL_ALONE else BATCHES


def _graph(setup: Setup, batches: str) -> Path:
    return setup.work / "openvino-int8" / f"{batches}.xml"


def load(setup: Setup) -> OpenvinoEngine:
    """Load the tokenizer; a graph is read and compiled when settings are known."""
    graphs = {batches: _graph(setup, batches) for batches in _ways(setup)}
    return OpenvinoEngine(graphs, Tokeniser(setup.checkpoint), setup.threads)


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

    def __init__(self, graphs: Mapping[str, Path], tokeniser: Tokeniser, threads: int) -> None:
        self.core = openvino.Core()
        self.graphs = graphs
        self.tokeniser = tokeniser
        self.threads = threads
        self.compiled_with: tuple[int, str, str] | None = None

    def candidates(self) -> list[Settings]:
        """Streams, number format of what is not INT8, way of batching, token budget."""
        streams = sorted({1, self.threads}, reverse=True)
        every = product(streams, ("f32", "bf16"), self.graphs, TOKEN_BUDGETS)
        names = ("streams", "rest", "batches", "token_budget")
        return [dict(zip(names, values, strict=True)) for values in every]

    def use(self, settings: Settings) -> None:
        """Compile where streams, number format or graph are others than before."""
        self.settings = settings
        compile_with = (int(settings["streams"]), str(settings["rest"]), str(settings["batches"]))
        if compile_with != self.compiled_with:
            self.compiled_with = compile_with
            self._compile(*compile_with)

    def _compile(self, streams: int, rest: str, batches: str) -> None:
        compiled = self.core.compile_model(self.graphs[batches], "CPU", self._hints(streams, rest))
        self.dimension = compiled.output(0).partial_shape[1].get_length()
        # One request more than streams: the next batch is there when one is done.
        self.queue = openvino.AsyncInferQueue(compiled, streams + 1)
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
        batches = str(self.settings["batches"])
        self.vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        token_budget = int(self.settings["token_budget"])
        for rows, ids, mask in plan(self.tokeniser.ids(texts), token_budget, equal_length=batches == "equal"):
            self.queue.start_async(inputs_of(ids, mask, batches), rows)
        self.queue.wait_all()
        return self.vectors
