"""A checkpoint as one torch module from token ids to unit vectors, to be traced."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch
from transformers import AutoModel

if TYPE_CHECKING:
    from pathlib import Path

DECODERS = ("qwen3",)


def pooled_module(checkpoint: Path) -> torch.nn.Module:
    """The module of a checkpoint's architecture."""
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    return PooledDecoder(checkpoint) if config["model_type"] in DECODERS else PooledBert(checkpoint)


class PooledBert(torch.nn.Module):  # type: ignore[misc]  # torch is not in the environment that mypy runs in
    """BERT or XLM-RoBERTa, its pooling (CLS or mean) and normalisation."""

    def __init__(self, checkpoint: Path) -> None:
        super().__init__()
        self.bert = AutoModel.from_pretrained(str(checkpoint), add_pooling_layer=False).eval()
        pooling = json.loads((checkpoint / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
        self.is_cls = bool(pooling["pooling_mode_cls_token"])

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Unit vectors ``(n, dimension)`` of token ids ``(n, length)``; without a mask none of them is padding."""
        if attention_mask is None:  # past BertModel's own forward, which would make a mask of ones
            hidden = self.bert.encoder(self.bert.embeddings(input_ids)).last_hidden_state
            pooled = hidden.mean(dim=1)
        else:
            hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
        return torch.nn.functional.normalize(hidden[:, 0] if self.is_cls else pooled, dim=1)


class PooledDecoder(torch.nn.Module):  # type: ignore[misc]
    """A causal decoder, its last token's vector and normalisation; for texts of one length, without a mask."""

    def __init__(self, checkpoint: Path) -> None:
        super().__init__()
        self.decoder = AutoModel.from_pretrained(str(checkpoint)).eval()

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Unit vectors ``(n, dimension)`` of token ids ``(n, length)``, none of them padding."""
        decoder = self.decoder
        hidden = decoder.embed_tokens(input_ids)
        # Layer by layer: the model's own forward would make a mask, in a way that cannot be traced.
        angles = decoder.rotary_emb(hidden, torch.arange(input_ids.shape[1]).unsqueeze(0))
        for layer in decoder.layers:
            found = layer(hidden, attention_mask=None, position_embeddings=angles, use_cache=False)
            hidden = found[0] if isinstance(found, tuple) else found
        return torch.nn.functional.normalize(decoder.norm(hidden)[:, -1], dim=1)
