"""Small random checkpoints of architectures that transformers has, for the tests that have it too."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from conftest import VOCABULARY, add_dense, tiny_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHAPE = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 66,
    "pad_token_id": 0,
}
OWN: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 16},
    "camembert": {"pad_token_id": 1},
    "deberta": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    "electra": {"embedding_size": 16},
    "flaubert": {"emb_dim": 32, "n_layers": 2, "n_heads": 4},
    "modernbert": {
        "max_position_embeddings": 90,
        "local_attention": 8,
        "num_hidden_layers": 4,
        "cls_token_id": 2,
        "sep_token_id": 3,
    },
    "mpnet": {"pad_token_id": 1},
    "qwen3": {"head_dim": 8, "num_key_value_heads": 2, "bos_token_id": 2, "eos_token_id": 3},
    "roberta": {"pad_token_id": 1},
    "squeezebert": {"embedding_size": 32},
    "xlm-roberta": {"pad_token_id": 1},
}
"""Settings that an architecture names differently, or also needs. A local window of 8 tokens shows in a short text."""


@pytest.fixture(scope="session")
def torch_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make, once each, a checkpoint as sentence-transformers saves it: ``torch_checkpoint("mpnet", dense=(32, 8))``."""
    made: dict[tuple[object, ...], Path] = {}

    def make(
        model_type: str, *, pooling: str = "mean_tokens", dense: tuple[int, ...] = (), dtype: str = "float32"
    ) -> Path:
        key = (model_type, pooling, dense, dtype)
        if key not in made:
            made[key] = tmp_path_factory.mktemp("torch") / model_type
            _save(made[key], model_type, dtype)
            _describe(made[key], pooling)
            add_dense(made[key], *(dense or (32,)))
        return made[key]

    return make


def _save(folder: Path, model_type: str, dtype: str) -> None:
    import torch  # noqa: PLC0415 - only some environments have it
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.set_num_threads(1)  # as many processes as cores run the tests
        torch.manual_seed(5)
        model = AutoModel.from_config(AutoConfig.for_model(model_type, **{**SHAPE, **OWN.get(model_type, {})}))
        for values in model.parameters():
            spread = torch.randn_like(values) * 0.3
            values.data = values.data + spread if values.ndim == 1 else spread
        model.to(getattr(torch, dtype)).save_pretrained(folder)
        names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        PreTrainedTokenizerFast(
            tokenizer_object=tiny_tokenizer(),
            model_input_names=["input_ids", "attention_mask"],
            # those whose padding is token 1 start their position table with two rows for it
            model_max_length=model.config.max_position_embeddings - 2 * model.config.pad_token_id,
            **names,
        ).save_pretrained(folder)


def _describe(folder: Path, pooling: str) -> None:
    (folder / "1_Pooling").mkdir()
    facts = {"word_embedding_dimension": 32, f"pooling_mode_{pooling}": True}
    facts |= {} if pooling == "mean_tokens" else {"pooling_mode_mean_tokens": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(facts))
    prompts = {"prompts": {"query": "query: ", "document": "passage: "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
