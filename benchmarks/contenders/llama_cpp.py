"""llama.cpp through llama-cpp-python, in a loop that uses it as well as it can be used.

The GGUF file is written from the checkpoint and quantised by llama.cpp itself. A batch has several texts, one after the
other and without padding; contexts that share the weights can compute at the same time. Number of contexts, tokens of a
batch and flash attention are found by tuning.
"""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.token_batches import Tokeniser, fill_batches

try:
    import llama_cpp
except ModuleNotFoundError as error:
    raise ImportError(
        "llama-cpp-python is not in this environment: it is compiled as it is installed, which needs a compiler for C"
        " and C++; `make bench` leaves the reason in .venv-peers/compiled.log"
    ) from error

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from contenders.engine import Settings, Setup

PACKAGES = ("llama-cpp-python", "tokenizers", "numpy")
FILE_TYPES = {"q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0, "q4_k_m": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M}
EXACT = "f32"
TOKEN_BUDGETS = (512, 128, 2048)
"""llama-cpp-python's own default first."""

FLASH = {"off": llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED, "on": llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED}
MOST_TEXTS = 256
"""Most texts of a batch that llama.cpp is compiled for."""


def prepare(setup: Setup, texts: list[str]) -> None:
    """Write the checkpoint as fp32 GGUF, and let llama.cpp quantise it, which calibrates on nothing."""
    del texts
    from lib.formats.gguf_file import write_gguf  # noqa: PLC0415 - loading does without the package it needs

    exact = _file(setup, EXACT)
    if not exact.exists():
        exact.parent.mkdir(parents=True, exist_ok=True)
        partial = exact.with_suffix(".partial")
        write_gguf(setup.checkpoint, partial)
        partial.rename(exact)
    if setup.variant != EXACT and not _file(setup, setup.variant).exists():
        quantise(exact, _file(setup, setup.variant), FILE_TYPES[setup.variant])


def quantise(source: Path, target: Path, file_type: int) -> None:
    """Quantise a GGUF file with llama.cpp's own function."""
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = file_type
    partial = target.with_suffix(".partial")
    if llama_cpp.llama_model_quantize(bytes(source), bytes(partial), ctypes.byref(settings)):
        raise RuntimeError(f"llama.cpp could not quantise {source} as file type {file_type}: see the log")
    partial.rename(target)


def load(setup: Setup) -> LlamaEngine:
    """Load the GGUF file; contexts are made when settings are known."""
    return LlamaEngine(_file(setup, setup.variant), Tokeniser(setup.checkpoint), setup.threads)


def _file(setup: Setup, variant: str) -> Path:
    return setup.work / "gguf" / f"{variant}.gguf"


class LlamaEngine:
    """A loaded model, and contexts that compute with it."""

    def __init__(self, file: Path, tokeniser: Tokeniser, threads: int) -> None:
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(bytes(file), llama_cpp.llama_model_default_params())
        if not self.model:
            raise RuntimeError(f"llama.cpp could not load {file}: see the log")
        self.tokeniser = tokeniser
        self.threads = threads
        self.dimension = int(llama_cpp.llama_model_n_embd(self.model))
        self.contexts: list[Context] = []

    def candidates(self) -> list[Settings]:
        """Contexts at a time, which share the threads, tokens of a batch, and flash attention."""
        every = product(sorted({1, self.threads}), TOKEN_BUDGETS, FLASH)
        names = ("contexts", "token_budget", "flash")
        return [dict(zip(names, values, strict=True)) for values in every]

    def use(self, settings: Settings) -> None:
        """Make new contexts."""
        self.settings = settings
        self._open(int(settings["token_budget"]))

    def _open(self, most_tokens: int) -> None:
        """Make contexts for batches of so many tokens: their memory grows with that."""
        for context in self.contexts:
            context.close()
        number = int(self.settings["contexts"])
        shape = {
            "most_tokens": most_tokens,
            "threads": self.threads // number,
            "flash": FLASH[str(self.settings["flash"])],
        }
        self.contexts = [Context(self.model, self.dimension, shape) for _ in range(number)]
        self.most_tokens = most_tokens

    def encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Encode in batches, one in each context at a time."""
        ids = self.tokeniser.ids(texts)
        longest = max(map(len, ids))
        if longest > self.most_tokens:
            self._open(longest)
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        idle: SimpleQueue[Context] = SimpleQueue()
        for context in self.contexts:
            idle.put(context)

        def run(rows: list[int]) -> None:
            context = idle.get()
            try:
                vectors[rows] = context.encode([ids[row] for row in rows])
            finally:
                idle.put(context)

        batches = fill_batches(list(map(len, ids)), int(self.settings["token_budget"]), MOST_TEXTS)
        if len(self.contexts) == 1:
            for rows in batches:
                run(rows)
        else:
            with ThreadPoolExecutor(len(self.contexts)) as pool:
                list(pool.map(run, batches))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def tokenise(self, text: str) -> list[int]:
        """Token ids by llama.cpp's own tokenizer: those of the checkpoint's, if the GGUF file is right."""
        raw = text.encode()
        room = (llama_cpp.llama_token * (len(raw) + 8))()
        vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        count = llama_cpp.llama_tokenize(vocabulary, raw, len(raw), room, len(room), True, False)  # noqa: FBT003
        return list(room[:count])


class Context:
    """One place where llama.cpp computes."""

    def __init__(self, model: Any, dimension: int, shape: dict[str, int]) -> None:  # noqa: ANN401 - a bare pointer
        settings = llama_cpp.llama_context_default_params()
        settings.n_seq_max = min(MOST_TEXTS, shape["most_tokens"])
        # A multiple of the texts: llama.cpp 0.3.36 plans its graph for one, and ends the process where it is none.
        room = -(-shape["most_tokens"] // settings.n_seq_max) * settings.n_seq_max
        settings.n_ctx = settings.n_batch = settings.n_ubatch = room
        settings.n_threads = settings.n_threads_batch = shape["threads"]
        settings.flash_attn_type = shape["flash"]
        settings.embeddings = settings.kv_unified = True
        self.dimension = dimension
        self.pointer = llama_cpp.llama_init_from_model(model, settings)
        if not self.pointer:
            raise RuntimeError(f"llama.cpp could not make a context with {shape}: see the log")
        # An encoder has no memory of earlier tokens; a decoder's is emptied before each batch.
        self.memory = llama_cpp.llama_get_memory(self.pointer)

    def close(self) -> None:
        """Give its memory back."""
        llama_cpp.llama_free(self.pointer)

    def encode(self, ids: list[list[int]]) -> npt.NDArray[np.float32]:
        """Pooled vectors ``(n, dimension)`` of texts, not normalised."""
        if self.memory:
            llama_cpp.llama_memory_clear(self.memory, False)  # noqa: FBT003 - the library's own signature
        columns = Columns(ids)
        compute = llama_cpp.llama_decode if self.memory else llama_cpp.llama_encode
        code = compute(self.pointer, columns.batch())
        if code:
            raise RuntimeError(f"llama.cpp could not encode a batch of {len(columns.tokens)} tokens: code {code}")
        found = (llama_cpp.llama_get_embeddings_seq(self.pointer, row) for row in range(len(ids)))
        return np.stack([np.ctypeslib.as_array(pointer, (self.dimension,)) for pointer in found])


class Columns:
    """The arrays of a batch: token, position and sequence of each token, and that all are read."""

    def __init__(self, ids: list[list[int]]) -> None:
        lengths = [len(each) for each in ids]
        self.tokens = np.concatenate(ids).astype(np.int32)
        self.positions = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
        self.sequences = np.repeat(np.arange(len(ids), dtype=np.int32), lengths)
        self.ones = np.ones(len(self.tokens), dtype=np.int32)
        self.read = np.ones(len(self.tokens), dtype=np.int8)
        places = np.arange(len(self.tokens), dtype=np.uintp) * self.sequences.itemsize
        self.pointers = places + np.uintp(self.sequences.ctypes.data)  # llama.cpp takes a list of sequences per token

    def batch(self) -> llama_cpp.llama_batch:
        """The structure that llama.cpp takes; it points into these arrays."""
        integers = ctypes.POINTER(ctypes.c_int32)
        return llama_cpp.llama_batch(
            n_tokens=len(self.tokens),
            token=self.tokens.ctypes.data_as(integers),
            pos=self.positions.ctypes.data_as(integers),
            n_seq_id=self.ones.ctypes.data_as(integers),
            seq_id=self.pointers.ctypes.data_as(ctypes.POINTER(integers)),
            logits=self.read.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )
