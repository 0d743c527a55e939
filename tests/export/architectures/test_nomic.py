"""The nomic-bert graph against a plain numpy reading of the same weights."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from conftest import VOCABULARY, tiny_tokenizer
from embed_plugin import Encoder, SourceError, UnknownArchitectureError
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.export import ExportSettings, export

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Weights = dict[str, npt.NDArray[np.float32]]

HIDDEN, HEADS, LAYERS, WIDE = 32, 4, 2, 48
PUBLISHED = {
    "model_type": "nomic_bert",
    "auto_map": {"AutoModel": "some--repository.NomicBertModel"},
    "activation_function": "swiglu",
    "n_embd": HIDDEN,
    "n_head": HEADS,
    "n_layer": LAYERS,
    "n_inner": WIDE,
    "n_positions": 512,
    "max_trained_positions": 128,
    "layer_norm_epsilon": 1e-12,
    "rotary_emb_base": 1000,
    "rotary_scaling_factor": None,
}
EXPERTS, CHOSEN = 8, 2
OF_EXPERTS = {
    **PUBLISHED,
    "activation_function": "gelu",
    "layer_norm_epsilon": 1e-5,
    "rotary_emb_base": 10000,
    "qkv_proj_bias": True,
    "mlp_fc1_bias": True,
    "mlp_fc2_bias": True,
    "type_vocab_size": 1,
    "use_rms_norm": None,
    "moe_every_n_layers": 2,
    "num_experts": EXPERTS,
    "moe_top_k": CHOSEN,
    "moe_normalize_expert_weights": False,
    "expert_choice_router": False,
    "num_shared_experts": 0,
    "ffn_div": 1,
}
"""As nomic-embed-text-v2-moe has it."""
RESAVED = {
    "model_type": "nomic_bert",
    "hidden_size": HIDDEN,
    "hidden_act": "silu",
    "num_attention_heads": HEADS,
    "num_hidden_layers": LAYERS,
    "max_position_embeddings": 512,
    "layer_norm_eps": 1e-12,
    "rope_parameters": {"rope_theta": 1000.0, "rope_type": "default"},
}


def random_weights(config: dict[str, Any]) -> Weights:
    rng = np.random.default_rng(9)
    hidden, width = config.get("n_embd", HIDDEN), config.get("n_inner", WIDE)
    is_gated = config.get("activation_function") != "gelu"
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(VOCABULARY), hidden),
        "embeddings.token_type_embeddings.weight": (config.get("type_vocab_size", 2), hidden),
    }
    for index in range(LAYERS):
        layer = f"encoder.layers.{index}"
        shapes[f"{layer}.attn.Wqkv.weight"] = (3 * hidden, hidden)
        shapes[f"{layer}.attn.out_proj.weight"] = (hidden, hidden)
        if not is_gated and index % 2 == 1:
            shapes[f"{layer}.mlp.router.layer.weight"] = (EXPERTS, hidden)
            shapes[f"{layer}.mlp.experts.mlp.w1"] = shapes[f"{layer}.mlp.experts.mlp.w2"] = (EXPERTS * width, hidden)
            shapes[f"{layer}.mlp.experts.bias"] = (hidden,)
            continue
        for wide in ("fc11", "fc12") if is_gated else ("fc1",):
            shapes[f"{layer}.mlp.{wide}.weight"] = (width, hidden)
        shapes[f"{layer}.mlp.fc2.weight"] = (hidden, width)
    if not is_gated:
        linear = [
            name for name in shapes if name.endswith(("Wqkv.weight", "out_proj.weight", "fc1.weight", "fc2.weight"))
        ]
        shapes |= {name.replace("weight", "bias"): shapes[name][:1] for name in linear}
    norms = ["emb_ln", *(f"encoder.layers.{index}.{part}" for index in range(LAYERS) for part in ("norm1", "norm2"))]
    shapes |= {f"{name}.{part}": (hidden,) for name in norms for part in ("weight", "bias")}
    return {name: rng.standard_normal(shape, np.float32) / np.float32(3) for name, shape in shapes.items()}


def make(folder: Path, config: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_file(random_weights(config), folder / "model.safetensors")
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def norm(weights: Weights, name: str, x: Array, epsilon: float) -> Array:
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon)
    return np.asarray(x * weights[f"{name}.weight"] + weights[f"{name}.bias"])


def rotate(x: Array, theta: float) -> Array:
    """Heads of ``(length, size)``: feature i and feature i + size / 2 turn together."""
    _, length, size = x.shape
    angles = np.arange(length)[:, None] / theta ** (np.arange(0, size, 2) / size)
    first, second = np.split(x, 2, axis=-1)
    cosines, sines = np.cos(angles), np.sin(angles)
    return np.concatenate([first * cosines - second * sines, second * cosines + first * sines], axis=-1)


def linear(weights: Weights, name: str, x: Array) -> Array:
    return np.asarray(x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", 0))


def gelu(x: Array) -> Array:
    return np.asarray(x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))))


def feed_forward(weights: Weights, name: str, x: Array) -> Array:
    if f"{name}.fc11.weight" in weights:
        opening = linear(weights, f"{name}.fc12", x)
        return linear(weights, f"{name}.fc2", linear(weights, f"{name}.fc11", x) * opening / (1 + np.exp(-opening)))
    if f"{name}.fc1.weight" in weights:
        return linear(weights, f"{name}.fc2", gelu(linear(weights, f"{name}.fc1", x)))
    w1, w2 = (weights[f"{name}.experts.mlp.{part}"].reshape(EXPERTS, WIDE, HIDDEN) for part in ("w1", "w2"))
    mixed = np.zeros_like(x)
    for row, token in enumerate(x):
        shares = np.exp(weights[f"{name}.router.layer.weight"] @ token)
        shares /= shares.sum()
        for expert in np.argsort(shares)[-CHOSEN:]:
            mixed[row] += shares[expert] * (gelu(w1[expert] @ token) @ w2[expert])
    return mixed + weights[f"{name}.experts.bias"]


def tokens(config: dict[str, Any], ids: Sequence[int]) -> Array:
    weights, epsilon = random_weights(config), config.get("layer_norm_epsilon", 1e-12)
    theta = config.get("rotary_emb_base", 1000)
    words, segments = weights["embeddings.word_embeddings.weight"], weights["embeddings.token_type_embeddings.weight"]
    x = norm(weights, "emb_ln", words[ids].astype(np.float64) + segments[0], epsilon)
    for index in range(LAYERS):
        layer = f"encoder.layers.{index}"
        parts = np.split(linear(weights, f"{layer}.attn.Wqkv", x), 3, axis=-1)
        q, k, v = (part.reshape(len(ids), HEADS, -1).swapaxes(0, 1) for part in parts)
        scores = np.exp(rotate(q, theta) @ rotate(k, theta).swapaxes(1, 2) / np.sqrt(q.shape[-1]))
        attended = (scores / scores.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(len(ids), -1)
        x = norm(weights, f"{layer}.norm1", linear(weights, f"{layer}.attn.out_proj", attended) + x, epsilon)
        x = norm(weights, f"{layer}.norm2", feed_forward(weights, f"{layer}.mlp", x) + x, epsilon)
    return x


@pytest.mark.parametrize(
    "config", [PUBLISHED, RESAVED, OF_EXPERTS], ids=["published", "saved by transformers 5", "experts"]
)
def test_the_graph_computes_what_the_weights_say(tmp_path: Path, config: dict[str, Any]) -> None:
    checkpoint = make(tmp_path / "checkpoint", config)
    spec = export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32"))
    assert (spec.provenance["exporter"], spec.architecture, spec.max_tokens) == ("native", "nomic_bert", 512)
    texts = ["the cat", "a slow red dog ran to the blue house .", "", "fire " * 510]
    tokenizer = TextTokenizer(checkpoint / "tokenizer.json", max_tokens=512)
    vectors = Encoder.load(tmp_path / "model").encode_documents(texts)
    for ids, vector in zip(tokenizer.tokenise(texts, prefix="", first_index=0).ids, vectors, strict=True):
        pooled = tokens(config, ids).mean(axis=0)
        np.testing.assert_allclose(vector, pooled / np.linalg.norm(pooled), atol=3e-6)


@pytest.mark.parametrize("config", [PUBLISHED, OF_EXPERTS], ids=["published", "experts"])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_vector_depends_on_its_text_alone(tmp_path: Path, precision: Any, config: dict[str, Any]) -> None:  # noqa: ANN401
    checkpoint = make(tmp_path / "checkpoint", config)
    export(str(checkpoint), tmp_path / "model", ExportSettings(precision=precision, min_cosine=0.95))
    encoder = Encoder.load(tmp_path / "model")
    texts = [" ".join([word] * length) for length in (0, 1, 15, 90) for word in ("cat", "dog", "red")]
    alone = np.concatenate([encoder.encode_documents([text]) for text in texts])
    np.testing.assert_array_equal(encoder.encode_documents(texts), alone)


def test_scaled_rotations_end_the_limit_at_the_trained_length(tmp_path: Path) -> None:
    checkpoint = make(tmp_path / "checkpoint", {**PUBLISHED, "rotary_scaling_factor": 2})
    assert export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32")).max_tokens == 128


@pytest.mark.parametrize(
    "change",
    [
        {"prenorm": True},
        {"moe_every_n_layers": 2},
        {"rope_parameters": {"rope_type": "yarn"}},
        {"activation_function": "geglu"},
        {"head_dim": 64},
        {"num_shared_experts": 1},
        {"moe_normalize_expert_weights": True},
        {"scale_attn_weights": False},
    ],
)
def test_other_variants_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    checkpoint = make(tmp_path / "checkpoint", {**PUBLISHED, **change})
    with pytest.raises(UnknownArchitectureError, match=r"nomic_bert with .* a variant"):
        export(str(checkpoint), tmp_path / "model", ExportSettings(exporter="native"))


def test_a_config_that_says_too_little(tmp_path: Path) -> None:
    checkpoint = make(tmp_path / "checkpoint", {"model_type": "nomic_bert"})
    with pytest.raises(SourceError, match=r"config\.json says no 'n_embd'"):
        export(str(checkpoint), tmp_path / "model")
