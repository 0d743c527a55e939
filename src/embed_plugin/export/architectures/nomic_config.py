"""Read the configuration of a nomic-bert checkpoint, as published or as transformers 5 writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import SourceError, UnknownArchitectureError
from embed_plugin.export.checkpoint.files import read_object

if TYPE_CHECKING:
    from pathlib import Path

ARCHITECTURE = "nomic_bert"

_AS_PUBLISHED: dict[str, object] = {
    "activation_function": "swiglu",
    "causal": False,
    "hidden_act": "silu",
    "mlp_fc1_bias": False,
    "mlp_fc2_bias": False,
    "moe_every_n_layers": 0,
    "parallel_block": False,
    "prenorm": False,
    "qkv_proj_bias": False,
    "rope_type": "default",
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "rotary_emb_scale_base": None,
    "use_rms_norm": False,
}
"""The choices of the published checkpoints, among those that their configuration has."""

_RENAMED = {
    "hidden_size": "n_embd",
    "layer_norm_eps": "layer_norm_epsilon",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_hidden_layers": "n_layer",
    "rope_theta": "rotary_emb_base",
}
"""What transformers 5 writes, and the name in the published checkpoints."""


@dataclass(frozen=True)
class NomicConfig:
    """The shape of a nomic-bert encoder; ``theta`` is the base of its rotations' wavelengths."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    layer_norm_eps: float
    theta: float
    positions: int


def read_nomic_config(folder: Path) -> NomicConfig:
    """Read ``config.json`` of a nomic-bert checkpoint.

    Raises:
        UnknownArchitectureError: it is a variant that was not published as nomic-embed-text v1 or v1.5.
        SourceError: it does not say what it must.
    """
    config = read_object(folder / "config.json")
    config |= config.get("rope_parameters") or {}
    config |= {old: config[new] for new, old in _RENAMED.items() if new in config and old not in config}
    for name, expected in _AS_PUBLISHED.items():
        if config.get(name, expected) != expected:
            found = f"{ARCHITECTURE} with {name} {config[name]!r}, expected {expected!r}"
            raise UnknownArchitectureError(f"{found}: a variant that neither exporter knows")
    try:
        return _config(config)
    except KeyError as error:
        raise SourceError(f"{folder / 'config.json'} says no {error}: the checkpoint is incomplete") from error


def _config(config: dict[str, Any]) -> NomicConfig:
    # Scaled rotations differ from plain ones in texts beyond the trained length alone.
    scaled = config.get("rotary_scaling_factor") is not None
    return NomicConfig(
        hidden_size=config["n_embd"],
        num_hidden_layers=config["n_layer"],
        num_attention_heads=config["n_head"],
        layer_norm_eps=config["layer_norm_epsilon"],
        theta=config["rotary_emb_base"],
        positions=config["max_trained_positions" if scaled else "n_positions"],
    )
