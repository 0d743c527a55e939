"""Rerankers whose code comes with their checkpoints: jina's of the first version, and gte's multilingual one.

Not compared with the originals, which no package has, but with a plain numpy reading of the same weights.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from embed_plugin import ExportError, Reranker
from embed_plugin.export import ExportSettings, export
from export.architectures import test_jina_bert, test_new

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    Weights = dict[str, npt.NDArray[np.float32]]

WORDS = Path(__file__).parents[1] / "references/rerankers/bert/tokenizer.json"
ROWS = 384
PAIRS = [("what does the fox do?", "the quick brown fox"), ("a", ""), ("the fox", "red cat dog " * 12)]
JINA: dict[str, Any] = {
    **test_jina_bert.PUBLISHED,
    "architectures": ["JinaBertForSequenceClassification"],
    "auto_map": {
        "AutoConfig": "jinaai/jina-bert-implementation--configuration_bert.JinaBertConfig",
        "AutoModelForSequenceClassification": (
            "jinaai/jina-bert-implementation--modeling_bert.JinaBertForSequenceClassification"
        ),
    },
    "num_attention_heads": 12,
}
BESIDE = {
    "AutoModel": "modeling_bert.JinaBertModel",
    "AutoModelForSequenceClassification": "modeling_bert.JinaBertForSequenceClassification",
}
GTE: dict[str, Any] = {
    **test_new.VARIANTS["gte-multilingual-base"],
    "architectures": ["NewForSequenceClassification"],
    "auto_map": {"AutoModelForSequenceClassification": "Alibaba-NLP/new-impl--modeling.NewForSequenceClassification"},
}


@dataclass(frozen=True)
class Original:
    """A family: a configuration, its weights and the numpy reading of its encoder, and the prefix of names."""

    config: dict[str, Any]
    weights: Callable[[dict[str, Any]], Weights]
    tokens: Callable[..., npt.NDArray[np.float64]]
    prefix: str

    def all_weights(self) -> Weights:
        """Weights of the encoder with a larger table of words, and of the head."""
        rng, encoder = np.random.default_rng(5), self.weights(self.config)
        size = self.config["hidden_size"]
        encoder["embeddings.word_embeddings.weight"] = rng.standard_normal((ROWS, size), np.float32)
        pooler = {"pooler.dense.weight": (size, size), "pooler.dense.bias": (size,)}
        encoder |= {name: rng.standard_normal(shape, np.float32) / np.float32(3) for name, shape in pooler.items()}
        head = {"classifier.weight": (1, size), "classifier.bias": (1,)}
        named = {f"{self.prefix}{name}": values for name, values in encoder.items()}
        return named | {name: rng.standard_normal(shape, np.float32) for name, shape in head.items()}

    def score(self, weights: Weights, pair: tuple[str, str]) -> float:
        """The pooler's layer on the first token, the classifier, and a sigmoid."""
        read = Tokenizer.from_file(str(WORDS)).encode(*pair)
        segments = read.type_ids if self.config["type_vocab_size"] > 1 else None
        encoder = {name.removeprefix(self.prefix): values for name, values in weights.items()}
        first = self.tokens(encoder, self.config, read.ids, segments)[0]
        pooled = np.tanh(encoder["pooler.dense.weight"] @ first + encoder["pooler.dense.bias"])
        return float(1 / (1 + np.exp(-(weights["classifier.weight"] @ pooled + weights["classifier.bias"])[0])))


JINA_PARTS = (test_jina_bert.random_weights, test_jina_bert.tokens, "bert.")
GTE_PARTS = (test_new.random_weights, test_new.tokens, "new.")
ORIGINALS = {
    "jina-reranker-v1": Original(JINA, *JINA_PARTS),
    "jina, its code beside the weights": Original({**JINA, "auto_map": BESIDE}, *JINA_PARTS),
    "gte-multilingual-reranker": Original(GTE, *GTE_PARTS),
    "gte, two segments": Original({**GTE, "type_vocab_size": 2}, *GTE_PARTS),
}


def make(folder: Path, config: Mapping[str, Any], weights: Weights) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_file(weights, folder / "model.safetensors")
    shutil.copy(WORDS, folder / "tokenizer.json")
    return folder


@pytest.mark.parametrize("name", ORIGINALS)
def test_scores_are_what_the_weights_say_alone_and_together(tmp_path: Path, name: str) -> None:
    original = ORIGINALS[name]
    weights = original.all_weights()
    checkpoint = make(tmp_path / "checkpoint", original.config, weights)
    spec = export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32"))
    assert spec.provenance["exporter"] == "native"
    assert bool(spec.facts["second_segment"]) == (original.config["type_vocab_size"] > 1)
    scores = Reranker.load(tmp_path / "model").score_pairs(PAIRS)
    np.testing.assert_allclose(scores, [original.score(weights, pair) for pair in PAIRS], atol=3e-6)
    assert np.ptp(scores) > 0.01


@pytest.mark.parametrize("name", ["jina-reranker-v1", "gte-multilingual-reranker"])
def test_int8_depends_on_the_pair_alone(tmp_path: Path, name: str) -> None:
    original = ORIGINALS[name]
    checkpoint = make(tmp_path / "checkpoint", original.config, original.all_weights())
    export(str(checkpoint), tmp_path / "model", ExportSettings(min_cosine=0.5))
    reranker, pairs = Reranker.load(tmp_path / "model"), [*PAIRS, *((a, f"{b} red") for a, b in PAIRS)]
    alone = np.concatenate([reranker.score_pairs([pair]) for pair in pairs])
    np.testing.assert_array_equal(reranker.score_pairs(pairs), alone)


def test_other_code_of_a_head_is_refused(tmp_path: Path) -> None:
    original = ORIGINALS["gte-multilingual-reranker"]
    code = {"auto_map": {"AutoModelForSequenceClassification": "someone/else--modeling.OtherHead"}}
    checkpoint = make(tmp_path / "checkpoint", original.config | code, original.all_weights())
    with pytest.raises(ExportError, match=r"names someone/else--modeling\.OtherHead \(auto_map\)"):
        export(str(checkpoint), tmp_path / "model")
