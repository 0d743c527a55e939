"""The graph of gte's own architecture against a plain numpy reading of the same weights.

Not compared with the original, which is code beside the weights.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from conftest import VOCABULARY, add_dense, tiny_tokenizer
from embed_plugin import Encoder, ExportError, SourceError, UnknownArchitectureError
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.export import ExportSettings, export

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Weights = dict[str, npt.NDArray[np.float32]]

HIDDEN, HEADS, LAYERS, WIDE = 32, 4, 2, 48
GTE_BASE: dict[str, Any] = {
    "model_type": "new",
    "auto_map": {"AutoModel": "some--repository.NewModel"},
    "hidden_act": "gelu",
    "hidden_size": HIDDEN,
    "intermediate_size": WIDE,
    "layer_norm_eps": 1e-12,
    "layer_norm_type": "layer_norm",
    "logn_attention_clip1": False,
    "logn_attention_scale": False,
    "max_position_embeddings": 512,
    "num_attention_heads": HEADS,
    "num_hidden_layers": LAYERS,
    "pack_qkv": True,
    "position_embedding_type": "rope",
    "rope_scaling": {"factor": 2.0, "type": "ntk"},
    "rope_theta": 500000,
    "torch_dtype": "float32",
    "type_vocab_size": 0,
    "unpad_inputs": False,
    "use_memory_efficient_attention": False,
}
"""As gte-base-en-v1.5 is published, but for its sizes."""
VARIANTS: dict[str, dict[str, Any]] = {
    "gte-base-en-v1.5": GTE_BASE,
    "gte-multilingual-base": {
        **GTE_BASE,
        "rope_theta": 20000,
        "rope_scaling": {"factor": 8.0, "type": "ntk"},
        "type_vocab_size": 1,
    },
    "two segments": {**GTE_BASE, "type_vocab_size": 2, "unpad_inputs": True},
    "no scaling": {**GTE_BASE, "model_type": "gte", "rope_theta": 160000, "rope_scaling": None},
    "saved by transformers 5": {
        **{key: value for key, value in GTE_BASE.items() if key not in {"rope_theta", "rope_scaling"}},
        "rope_parameters": {"rope_type": "ntk", "factor": 2.0, "rope_theta": 500000.0},
    },
    "rms, not packed": {**GTE_BASE, "layer_norm_type": "rms_norm", "pack_qkv": False, "layer_norm_eps": 1e-6},
}


def random_weights(config: dict[str, Any]) -> Weights:
    rng = np.random.default_rng(21)
    shapes: dict[str, tuple[int, ...]] = {"embeddings.word_embeddings.weight": (len(VOCABULARY), HIDDEN)}
    if config["type_vocab_size"]:
        shapes["embeddings.token_type_embeddings.weight"] = (config["type_vocab_size"], HIDDEN)
    norms = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{index}" for index in range(LAYERS)):
        parts = (
            {"qkv_proj": 3 * HIDDEN} if config["pack_qkv"] else dict.fromkeys(("q_proj", "k_proj", "v_proj"), HIDDEN)
        )
        for part, size in {**parts, "o_proj": HIDDEN}.items():
            shapes |= {f"{layer}.attention.{part}.weight": (size, HIDDEN), f"{layer}.attention.{part}.bias": (size,)}
        shapes |= {f"{layer}.mlp.up_gate_proj.weight": (2 * WIDE, HIDDEN)}
        shapes |= {f"{layer}.mlp.down_proj.weight": (HIDDEN, WIDE), f"{layer}.mlp.down_proj.bias": (HIDDEN,)}
        norms += [f"{layer}.attn_ln", f"{layer}.mlp_ln"]
    of_norms = ("weight",) if config["layer_norm_type"] == "rms_norm" else ("weight", "bias")
    shapes |= {f"{name}.{part}": (HIDDEN,) for name in norms for part in of_norms}
    return {name: rng.standard_normal(shape, np.float32) / np.float32(3) for name, shape in shapes.items()}


def make(folder: Path, config: dict[str, Any], *, prefix: str = "", pooling: str = "cls") -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    weights = {f"{prefix}{name}": values for name, values in random_weights(config).items()}
    save_file({**weights, "classifier.weight": np.ones((2, HIDDEN), np.float32)}, folder / "model.safetensors")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling}))
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def norm(weights: Weights, name: str, x: Array, epsilon: float) -> Array:
    scale = weights[f"{name}.weight"]
    if f"{name}.bias" not in weights:
        return np.asarray(x * scale / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon))
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon)
    return np.asarray(x * scale + weights[f"{name}.bias"])


def rotate(x: Array, theta: float, factor: float) -> Array:
    """Heads of ``(length, size)``; scaling divides the lowest frequency by the factor, and the others by less."""
    _, length, size = x.shape
    pairs = np.arange(size // 2)
    angles = np.arange(length)[:, None] * theta ** (-2 * pairs / size) * factor ** (-2 * (pairs + 1) / size)
    first, second = np.split(x, 2, axis=-1)
    cosines, sines = np.cos(angles), np.sin(angles)
    return np.concatenate([first * cosines - second * sines, second * cosines + first * sines], axis=-1)


def gelu(x: Array) -> Array:
    """The Gaussian's share below each value, summed up in small steps."""
    at = np.linspace(-9, 9, 180_001)
    density = np.exp(-at * at / 2) / np.sqrt(2 * np.pi)
    below = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * (at[1] - at[0]))])
    return np.asarray(x * np.interp(x, at, below))


def tokens(
    weights: Weights, config: dict[str, Any], ids: Sequence[int], segments: Sequence[int] | None = None
) -> Array:
    """The token vectors; without segments, all tokens are of the first one."""
    stated = {**(config.get("rope_scaling") or {}), **config.get("rope_parameters", {})}
    theta, factor = config.get("rope_theta") or stated["rope_theta"], stated.get("factor", 1)
    epsilon = config["layer_norm_eps"]
    x = weights["embeddings.word_embeddings.weight"][ids].astype(np.float64)
    if config["type_vocab_size"]:
        x = x + weights["embeddings.token_type_embeddings.weight"][[0] * len(ids) if segments is None else segments]
    x = norm(weights, "embeddings.LayerNorm", x, epsilon)
    for layer in (f"encoder.layer.{index}" for index in range(LAYERS)):
        names = ["qkv_proj"] if config["pack_qkv"] else ["q_proj", "k_proj", "v_proj"]
        kinds = (f"{layer}.attention.{name}" for name in names)
        projected = np.concatenate([x @ weights[f"{k}.weight"].T + weights[f"{k}.bias"] for k in kinds], axis=-1)
        q, k, v = (part.reshape(len(ids), HEADS, -1).swapaxes(0, 1) for part in np.split(projected, 3, axis=-1))
        q, k = rotate(q, theta, factor), rotate(k, theta, factor)
        scores = np.exp(q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1]))
        mixed = (scores / scores.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(len(ids), -1)
        out = mixed @ weights[f"{layer}.attention.o_proj.weight"].T + weights[f"{layer}.attention.o_proj.bias"]
        x = norm(weights, f"{layer}.attn_ln", x + out, epsilon)
        up, gate = np.split(x @ weights[f"{layer}.mlp.up_gate_proj.weight"].T, 2, axis=-1)
        fed = (up * gelu(gate)) @ weights[f"{layer}.mlp.down_proj.weight"].T + weights[f"{layer}.mlp.down_proj.bias"]
        x = norm(weights, f"{layer}.mlp_ln", x + fed, epsilon)
    return x


@pytest.mark.parametrize("name", VARIANTS)
def test_the_graph_computes_what_the_weights_say(tmp_path: Path, name: str) -> None:
    config = VARIANTS[name]
    checkpoint = make(tmp_path / "checkpoint", config, pooling="mean" if "segments" in name else "cls")
    spec = export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32"))
    assert (spec.provenance["exporter"], spec.architecture, spec.max_tokens) == ("native", config["model_type"], 512)
    texts = ["the cat", "a slow red dog ran to the blue house .", "", "fire cat red " * 170]
    tokenizer = TextTokenizer(checkpoint / "tokenizer.json", max_tokens=512)
    vectors = Encoder.load(tmp_path / "model").encode_documents(texts)
    for ids, vector in zip(tokenizer.tokenise(texts, prefix="", first_index=0).ids, vectors, strict=True):
        each = tokens(random_weights(config), config, ids)
        pooled = each.mean(axis=0) if "segments" in name else each[0]
        np.testing.assert_allclose(vector, pooled / np.linalg.norm(pooled), atol=3e-6)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_vector_depends_on_its_text_alone(tmp_path: Path, precision: Any, pooling: str) -> None:  # noqa: ANN401
    checkpoint = make(tmp_path / "checkpoint", VARIANTS["gte-multilingual-base"], pooling=pooling)
    export(str(checkpoint), tmp_path / "model", ExportSettings(precision=precision, min_cosine=0.95))
    encoder = Encoder.load(tmp_path / "model")
    texts = [" ".join([word] * length) for length in (0, 1, 15, 200) for word in ("cat", "dog", "red")]
    alone = np.concatenate([encoder.encode_documents([text]) for text in texts])
    np.testing.assert_array_equal(encoder.encode_documents(texts), alone)


@pytest.mark.parametrize("prefix", ["new.", "gte."])
def test_weights_of_a_class_with_a_head_and_a_dense_layer_behind(tmp_path: Path, prefix: str) -> None:
    checkpoint = make(tmp_path / "checkpoint", GTE_BASE, prefix=prefix)
    add_dense(checkpoint, HIDDEN, 48, activation="linear.Identity")
    assert export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32")).dimension == 48


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"logn_attention_scale": True}, "logn_attention_scale True"),
        ({"position_embedding_type": "absolute"}, "position_embedding_type 'absolute'"),
        ({"layer_norm_type": "batch_norm"}, "layer_norm_type 'batch_norm'"),
        ({"hidden_act": "quick_gelu"}, "hidden_act 'quick_gelu'"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rotations scaled by .*dynamic"),
        ({"rope_scaling": {"type": "ntk", "factor": 2.0, "mixed_b": 0.6}}, "rotations scaled by .*mixed_b"),
        ({"rope_scaling": {"type": "ntk", "factor": 0.5}}, r"rotations scaled by 0\.5"),
    ],
)
def test_other_variants_are_refused_by_name(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    checkpoint = make(tmp_path / "checkpoint", GTE_BASE)
    (checkpoint / "config.json").write_text(json.dumps(GTE_BASE | change))
    with pytest.raises(UnknownArchitectureError, match=f"new with {named}"):
        export(str(checkpoint), tmp_path / "model", ExportSettings(exporter="native"))


@pytest.mark.parametrize("missing", ["hidden_size", "rope_theta", "type_vocab_size"])
def test_a_config_that_says_too_little(tmp_path: Path, missing: str) -> None:
    checkpoint = make(tmp_path / "checkpoint", GTE_BASE)
    (checkpoint / "config.json").write_text(json.dumps({k: v for k, v in GTE_BASE.items() if k != missing}))
    with pytest.raises(SourceError, match=rf"config\.json says no '{missing}'"):
        export(str(checkpoint), tmp_path / "model")


def test_segments_that_the_config_does_not_have_are_refused(tmp_path: Path) -> None:
    checkpoint = make(tmp_path / "checkpoint", GTE_BASE | {"type_vocab_size": 1})
    (checkpoint / "config.json").write_text(json.dumps(GTE_BASE))
    with pytest.raises(ExportError, match=r"hold 1 tensors \(embeddings\.token_type_embeddings\.weight"):
        export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32"))
