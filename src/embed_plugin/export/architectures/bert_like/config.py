"""The shape of an encoder whose configuration has BERT's names, or others for the same."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import SourceError
from embed_plugin.export.architectures.architecture import Unwritten
from embed_plugin.export.layers.activation import ACTIVATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.layers.activation import Activation

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class PostNormConfig:
    """The shape of an encoder, in the names of BERT's ``config.json``.

    ``first_position`` is the row of the position table that the first token uses: tables of some families start with
    rows for padding.
    """

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    layer_norm_eps: float
    activation: Activation
    first_position: int
    positions: int


def read_post_norm_config(
    checkpoint: CheckpointDescription, *, first_position: int = 0, renamed: Mapping[str, str] = _NOTHING
) -> PostNormConfig:
    """Read the shape.

    Args:
        checkpoint: The checkpoint.
        first_position: Row of the position table that the first token uses.
        renamed: The family's own names, by BERT's.

    Raises:
        SourceError: ``config.json`` lacks a value.
    """
    config = checkpoint.config.object()
    config |= {ours: config[theirs] for ours, theirs in renamed.items() if theirs in config}
    try:
        return PostNormConfig(
            hidden_size=config["hidden_size"],
            num_hidden_layers=config["num_hidden_layers"],
            num_attention_heads=config["num_attention_heads"],
            layer_norm_eps=config.get("layer_norm_eps", 1e-12),
            activation=ACTIVATIONS[config.get("hidden_act", "gelu")],
            first_position=first_position,
            positions=config["max_position_embeddings"] - first_position,
        )
    except KeyError as error:
        name = renamed.get(str(error.args[0]), error.args[0])
        raise SourceError(f"{checkpoint.config.path} says no {name!r}: the checkpoint is incomplete") from error


def unknown_activation(config: Mapping[str, Any], name: str = "hidden_act") -> Unwritten | None:
    """Find an activation that no graph computes."""
    activation = config.get(name, "gelu")
    return None if activation in ACTIVATIONS else Unwritten(f"activation {activation!r}", optimum=True)
