"""The graph of jina-embeddings-v2 against a plain numpy reading of the same weights.

No package has the original: its code comes with the checkpoints and is not run here either.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from conftest import VOCABULARY, tiny_tokenizer
from embed_plugin import Encoder, UnknownArchitectureError
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.export import ExportSettings, export

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Weights = dict[str, npt.NDArray[np.float32]]

HIDDEN, LAYERS, WIDE = 48, 2, 40
PLAIN = "jinaai/jina-bert-implementation--modeling_bert.JinaBertModel"
CODE = "jinaai/jina-bert-v2-qk-post-norm--modeling_bert.JinaBertModel"
PUBLISHED: dict[str, Any] = {
    "model_type": "bert",
    "architectures": ["JinaBertForMaskedLM"],
    "auto_map": {
        "AutoConfig": "jinaai/jina-bert-implementation--configuration_bert.JinaBertConfig",
        "AutoModel": PLAIN,
    },
    "hidden_act": "gelu",
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "intermediate_size": WIDE,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 8192,
    "type_vocab_size": 2,
    "position_embedding_type": "alibi",
    "feed_forward_type": "geglu",
    "emb_pooler": "mean",
}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "six heads": {"num_attention_heads": 6},
    "relu": {"feed_forward_type": "reglu"},
    "code": {"auto_map": {"AutoModel": CODE}, "num_attention_heads": 12},
}


def random_weights(config: dict[str, Any]) -> Weights:
    rng = np.random.default_rng(8)
    is_code = config["auto_map"].get("AutoModel") == CODE
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(VOCABULARY), HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{index}" for index in range(LAYERS)):
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes[f"{layer}.attention.{part}.weight"] = (HIDDEN, HIDDEN)
            shapes[f"{layer}.attention.{part}.bias"] = (HIDDEN,)
        wide, narrow = ("up_gated_layer", "down_layer") if is_code else ("gated_layers", "wo")
        shapes[f"{layer}.mlp.{wide}.weight"] = (2 * WIDE, HIDDEN)
        shapes[f"{layer}.mlp.{narrow}.weight"] = (HIDDEN, WIDE)
        shapes[f"{layer}.mlp.{narrow}.bias"] = (HIDDEN,)
        own = ("attention.self.layer_norm_q", "attention.self.layer_norm_k", "layer_norm_1", "layer_norm_2")
        norms += [
            f"{layer}.{part}" for part in ("attention.output.LayerNorm", *(own if is_code else ["mlp.layernorm"]))
        ]
    shapes |= {f"{name}.{part}": (HIDDEN,) for name in norms for part in ("weight", "bias")}
    return {name: rng.standard_normal(shape, np.float32) / np.float32(3) for name, shape in shapes.items()}


def make(folder: Path, config: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 8192, "do_lower_case": False}))
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    listed = [{"type": f"sentence_transformers.models.{name}", "path": path} for name, path in modules]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    save_file(random_weights(config), folder / "model.safetensors")
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def norm(weights: Weights, name: str, x: Array) -> Array:
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
    return np.asarray(x * weights[f"{name}.weight"] + weights[f"{name}.bias"])


def linear(weights: Weights, name: str, x: Array) -> Array:
    return np.asarray(x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", 0))


def activate(config: dict[str, Any], x: Array) -> Array:
    if config["feed_forward_type"] == "reglu":
        return np.maximum(x, 0)
    return np.asarray(x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))))


def slopes(heads: int) -> Sequence[float]:
    """Written out: a power of two, and six heads, of which four are those of four, and two are of eight."""
    return {
        4: [2**-2, 2**-4, 2**-6, 2**-8],
        6: [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3],
        12: [*(2.0**-i for i in range(1, 9)), 2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5],
    }[heads]


def attend(weights: Weights, config: dict[str, Any], name: str, x: Array) -> Array:
    query, key, value = (linear(weights, f"{name}.self.{part}", x) for part in ("query", "key", "value"))
    if f"{name}.self.layer_norm_q.weight" in weights:
        query, key = (norm(weights, f"{name}.self.layer_norm_{n}", part) for n, part in (("q", query), ("k", key)))
    heads = config["num_attention_heads"]
    q, k, v = (part.reshape(len(x), heads, -1).swapaxes(0, 1) for part in (query, key, value))
    away = np.abs(np.arange(len(x))[:, None] - np.arange(len(x)))
    scores = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1]) - np.array(slopes(heads))[:, None, None] * away
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = (shares / shares.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(len(x), -1)
    return norm(weights, f"{name}.output.LayerNorm", linear(weights, f"{name}.output.dense", mixed) + x)


def tokens(
    weights: Weights, config: dict[str, Any], ids: Sequence[int], segments: Sequence[int] | None = None
) -> Array:
    """The token vectors; without segments, all tokens are of the first one."""
    words, table = weights["embeddings.word_embeddings.weight"], weights["embeddings.token_type_embeddings.weight"]
    of_segments = table[[0] * len(ids) if segments is None else segments]
    x = norm(weights, "embeddings.LayerNorm", words[ids].astype(np.float64) + of_segments)
    for layer in (f"encoder.layer.{index}" for index in range(LAYERS)):
        middle = attend(weights, config, f"{layer}.attention", x)
        if config["auto_map"].get("AutoModel") == CODE:
            middle = norm(weights, f"{layer}.layer_norm_1", x + middle)
            value, gate = np.split(linear(weights, f"{layer}.mlp.up_gated_layer", middle), 2, axis=-1)
            fed = linear(weights, f"{layer}.mlp.down_layer", value * activate(config, gate))
            x = norm(weights, f"{layer}.layer_norm_2", middle + fed)
        else:
            gate, value = np.split(linear(weights, f"{layer}.mlp.gated_layers", middle), 2, axis=-1)
            fed = linear(weights, f"{layer}.mlp.wo", value * activate(config, gate))
            x = norm(weights, f"{layer}.mlp.layernorm", middle + fed)
    return x


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_graph_computes_what_the_weights_say(tmp_path: Path, variant: str) -> None:
    config = PUBLISHED | VARIANTS[variant]
    checkpoint = make(tmp_path / "checkpoint", config)
    spec = export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32"))
    assert (spec.provenance["exporter"], spec.architecture, spec.max_tokens) == ("native", "bert", 8192)
    texts = ["the cat", "a slow red dog ran to the blue house .", "", "fire " * 300]
    tokenizer = TextTokenizer(checkpoint / "tokenizer.json", max_tokens=8192)
    vectors = Encoder.load(tmp_path / "model").encode_documents(texts)
    for ids, vector in zip(tokenizer.tokenise(texts, prefix="", first_index=0).ids, vectors, strict=True):
        pooled = tokens(random_weights(config), config, ids).mean(axis=0)
        np.testing.assert_allclose(vector, pooled / np.linalg.norm(pooled), atol=3e-6)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("variant", ["plain", "code"])
def test_a_vector_depends_on_its_text_alone(tmp_path: Path, variant: str, precision: Any) -> None:  # noqa: ANN401
    checkpoint = make(tmp_path / "checkpoint", PUBLISHED | VARIANTS[variant])
    export(str(checkpoint), tmp_path / "model", ExportSettings(precision=precision, min_cosine=0.95))
    encoder = Encoder.load(tmp_path / "model")
    texts = [" ".join([word] * length) for length in (0, 1, 15, 90) for word in ("cat", "dog", "red")]
    alone = np.concatenate([encoder.encode_documents([text]) for text in texts])
    np.testing.assert_array_equal(encoder.encode_documents(texts), alone)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feed_forward_type": "original"}, "jina-bert with feed_forward_type 'original', expected geglu or reglu"),
        ({"position_embedding_type": "absolute"}, "jina-bert with position_embedding_type 'absolute', expected alibi"),
        ({"auto_map": {"AutoModel": "someone/else--modeling_bert.JinaBertModel"}}, "as someone/else--modeling_bert"),
    ],
)
def test_other_variants_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    checkpoint = make(tmp_path / "checkpoint", PUBLISHED | change)
    with pytest.raises(UnknownArchitectureError, match=message):
        export(str(checkpoint), tmp_path / "model", ExportSettings(exporter="native"))
