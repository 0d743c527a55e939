"""The graph of jina-reranker-v2: XLM-RoBERTa's weights in its layout score as transformers' XLM-RoBERTa does."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from embed_plugin import Reranker, UnknownArchitectureError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.tensors import read_tensor, tensor_names
from export.references.rerankers.pairs import PAIRS

PLAIN = Path(__file__).parents[1] / "references/rerankers/xlm-roberta"
AUTO_MAP = {
    "AutoConfig": "configuration_xlm_roberta.XLMRobertaFlashConfig",
    "AutoModel": "modeling_xlm_roberta.XLMRobertaModel",
    "AutoModelForSequenceClassification": "modeling_xlm_roberta.XLMRobertaForSequenceClassification",
}
RENAMED = {
    r"encoder\.layer\.": "encoder.layers.",
    r"embeddings\.LayerNorm": "emb_ln",
    r"attention\.output\.dense": "mixer.out_proj",
    r"attention\.output\.LayerNorm": "norm1",
    r"intermediate\.dense": "mlp.fc1",
    r"(layers\.\d+)\.output\.dense": r"\1.mlp.fc2",
    r"(layers\.\d+)\.output\.LayerNorm": r"\1.norm2",
}


def make(folder: Path, **config: Any) -> Path:  # noqa: ANN401 - values of a configuration
    """The reference of XLM-RoBERTa with queries, keys and values in one matrix, under the names of this layout."""
    shutil.copytree(PLAIN, folder)
    stated = json.loads((PLAIN / "config.json").read_text())
    published = {
        "auto_map": AUTO_MAP,
        "use_flash_attn": True,
        "emb_pooler": None,
        "position_embedding_type": "absolute",
    }
    (folder / "config.json").write_text(json.dumps({**stated, **published, **config}))
    weights, path = {}, PLAIN / "model.safetensors"
    for name in tensor_names(path):
        query = re.fullmatch(r"(.*)\.attention\.self\.query\.(weight|bias)", name)
        if query:
            parts = [name.replace(".query.", f".{part}.") for part in ("query", "key", "value")]
            packed = np.concatenate([read_tensor(path, part) for part in parts])
            weights[f"{query[1]}.mixer.Wqkv.{query[2]}"] = packed
        elif ".attention.self." not in name:
            weights[name] = read_tensor(path, name)
    for old, new in RENAMED.items():
        weights = {re.sub(old, new, name): values for name, values in weights.items()}
    save_file(weights, folder / "model.safetensors")
    return folder


def test_scores_are_those_of_xlm_roberta(tmp_path: Path) -> None:
    checkpoint = make(tmp_path / "jina-reranker-v2")
    spec = export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32"))
    assert (spec.architecture, spec.provenance["exporter"], spec.max_tokens) == ("xlm-roberta", "native", 64)
    with np.load(PLAIN / "pairs.npz") as stored:
        expected = stored["scores"]
    np.testing.assert_allclose(Reranker.load(tmp_path / "model").score_pairs(PAIRS), expected, atol=2e-5, rtol=2e-5)


def test_int8_depends_on_the_pair_alone(tmp_path: Path) -> None:
    export(str(make(tmp_path / "jina-reranker-v2")), tmp_path / "model", ExportSettings(min_cosine=0.5))
    reranker = Reranker.load(tmp_path / "model")
    alone = np.concatenate([reranker.score_pairs([pair]) for pair in PAIRS[::9]])
    np.testing.assert_array_equal(reranker.score_pairs(PAIRS)[::9], alone)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"position_embedding_type": "rotary"},
            "jina-reranker-v2 with position_embedding_type 'rotary', expected absolute",
        ),
        ({"hidden_act": "relu"}, "jina-reranker-v2 with hidden_act 'relu', expected gelu"),
        ({"auto_map": {"AutoModel": "someone/else--modeling.Other"}}, "as someone/else--modeling.Other has it"),
    ],
)
def test_other_variants_are_refused(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    with pytest.raises(UnknownArchitectureError, match=said):
        export(str(make(tmp_path / "checkpoint", **config)), tmp_path / "model")
