"""The graph against a plain numpy reading of the same weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conftest import add_dense, make_checkpoint
from embed_plugin import Encoder
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.architectures.bert_like.bert import BERT, read_config
from embed_plugin.export.checkpoint.description import read_description
from embed_plugin.export.checkpoint.output import read_output
from embed_plugin.export.checkpoint.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

erf = np.vectorize(math.erf)
ACTIVATIONS = {
    "gelu": lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
}


class Reference:
    """A BERT encoder in float64, one text at a time, written for reading."""

    def __init__(self, checkpoint: Path) -> None:
        description = read_description(checkpoint)
        self.config = read_config(description)
        self.weights = Weights(description, word_table=BERT.word_table, prefixes=BERT.prefixes)

    def linear(self, name: str, x: Array) -> Array:
        return np.asarray(x @ self.weights(f"{name}.weight").T.astype(float) + self.weights(f"{name}.bias"))

    def norm(self, name: str, x: Array) -> Array:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + self.config.layer_norm_eps)
        return np.asarray(x * self.weights(f"{name}.weight") + self.weights(f"{name}.bias"))

    def attend(self, name: str, x: Array) -> Array:
        heads = self.config.num_attention_heads
        q, k, v = (
            self.linear(f"{name}.{part}", x).reshape(len(x), heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = np.exp(q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1]))
        return np.asarray((scores / scores.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(len(x), -1))

    def tokens(self, ids: Sequence[int]) -> Array:
        first = self.config.first_position
        x = self.weights("embeddings.word_embeddings.weight")[ids].astype(float)
        x = x + self.weights("embeddings.position_embeddings.weight")[first : first + len(ids)]
        x = self.norm("embeddings.LayerNorm", x + self.weights("embeddings.token_type_embeddings.weight")[0])
        for index in range(self.config.num_hidden_layers):
            layer = f"encoder.layer.{index}"
            attended = self.linear(f"{layer}.attention.output.dense", self.attend(f"{layer}.attention.self", x))
            x = self.norm(f"{layer}.attention.output.LayerNorm", attended + x)
            wide = ACTIVATIONS[self.config.activation](self.linear(f"{layer}.intermediate.dense", x))
            x = self.norm(f"{layer}.output.LayerNorm", self.linear(f"{layer}.output.dense", wide) + x)
        return x


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("model_type", ["bert", "roberta", "xlm-roberta"])
@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_new", "relu"])
def test_the_graph_computes_what_the_weights_say(
    tmp_path: Path, pooling: str, model_type: str, hidden_act: str
) -> None:
    checkpoint = make_checkpoint(
        tmp_path / "checkpoint", pooling=pooling, model_type=model_type, hidden_act=hidden_act, num_attention_heads=4
    )
    export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32"))
    tokenizer, reference = TextTokenizer(checkpoint / "tokenizer.json", max_tokens=510), Reference(checkpoint)
    texts = ["the cat", "a slow red dog ran to the blue house .", "", "fire " * 508]
    vectors = Encoder.load(tmp_path / "model").encode_documents(texts)
    for ids, vector in zip(tokenizer.tokenise(texts, prefix="", first_index=0).ids, vectors, strict=True):
        tokens = reference.tokens(ids)
        pooled = tokens[0] if pooling == "cls" else tokens.mean(axis=0)
        np.testing.assert_allclose(vector, pooled / np.linalg.norm(pooled), atol=2e-6)


def test_dense_layers_follow_the_mean_not_the_sum(tmp_path: Path) -> None:
    checkpoint = add_dense(make_checkpoint(tmp_path / "checkpoint"), 32, 48, 12)
    export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32"))
    tokenizer, reference = TextTokenizer(checkpoint / "tokenizer.json", max_tokens=512), Reference(checkpoint)
    texts = ["the cat", "", "a slow red dog " * 40]
    vectors = Encoder.load(tmp_path / "model").encode_documents(texts)
    for ids, vector in zip(tokenizer.tokenise(texts, prefix="", first_index=0).ids, vectors, strict=True):
        pooled = reference.tokens(ids).mean(axis=0)
        for layer in read_output(read_description(checkpoint)).dense:
            pooled = np.tanh(layer.weight @ pooled + layer.bias)
        np.testing.assert_allclose(vector, pooled / np.linalg.norm(pooled), atol=2e-6)
