"""Translate the configuration that transformers 5 writes into the fields that the pinned transformers 4.57 reads.

transformers 5 keeps the base of rotary positions in ``rope_parameters``, which 4.57 ignores without a warning: it takes
its own default, and the vectors are another model's. Each architecture below was compared with transformers 5.24 on a
small checkpoint that it saved with unusual bases; any other is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embed_plugin.errors import UnknownArchitectureError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROTARY = (
    "arcee", "cohere", "falcon", "gemma", "gemma2", "granite", "helium", "llama", "mistral", "olmo", "olmo2", "qwen2",
    "qwen3", "smollm3",
)  # fmt: skip
_PARTLY_ROTARY = ("glm", "nemotron", "phi", "phi3")

_ONE_ROTATION: dict[str, tuple[str, str | None]] = {
    **dict.fromkeys(_ROTARY, ("rope_theta", None)),
    **dict.fromkeys(_PARTLY_ROTARY, ("rope_theta", "partial_rotary_factor")),
    "gpt_neox": ("rotary_emb_base", "rotary_pct"),
}
"""The 4.57 fields of the base and of the rotated share of an attention head; None: all of it is rotated."""

_TWO_ROTATIONS = {
    "gemma3_text": ("rope_theta", "rope_local_base_freq"),
    "modernbert": ("global_rope_theta", "local_rope_theta"),
}
"""The 4.57 fields of the bases of full and of sliding attention."""

_UNSCALED = frozenset({"modernbert", "nemotron"})
"""Architectures whose rotations 4.57 never scales."""

_SCALINGS = frozenset({"default", "dynamic", "linear", "llama3", "yarn"})
"""The ``rope_type`` values that mean the same to both; longrope takes its lengths from elsewhere in 4.57."""


def translate(config: Mapping[str, Any]) -> dict[str, Any]:
    """Translate ``config.json`` to the form that 4.57 writes.

    Raises:
        UnknownArchitectureError: 4.57 has no field for a value of ``rope_parameters`` or ``layer_types``.
    """
    translated = {name: value for name, value in config.items() if name != "rope_parameters"}
    model_type, rotation = config.get("model_type"), config.get("rope_parameters")
    if rotation is not None:
        if model_type in _ONE_ROTATION and _is_one(rotation):
            fields = _one_rotation({"rope_theta": config.get("rope_theta"), **rotation}, *_ONE_ROTATION[model_type])
        elif model_type in _TWO_ROTATIONS and _is_two(rotation):
            fields = _two_rotations(rotation, model_type)
        else:
            raise _refused(f"rope_parameters {rotation!r:.200}")
        translated |= fields
    if translated.get("rope_scaling") and model_type in _UNSCALED:
        raise _refused(f"rope_scaling {translated['rope_scaling']!r:.200}")
    if model_type == "modernbert" and config.get("layer_types") is not None:
        translated["global_attn_every_n_layers"] = _full_attention_every(config["layer_types"])
    return translated


def _is_one(rotation: object) -> bool:
    return isinstance(rotation, dict) and not any(isinstance(value, dict) for value in rotation.values())


def _is_two(rotation: object) -> bool:
    kinds = ("full_attention", "sliding_attention")
    return isinstance(rotation, dict) and set(rotation) == set(kinds) and all(_is_one(rotation[kind]) for kind in kinds)


def _one_rotation(rotation: Mapping[str, Any], base: str, share: str | None) -> dict[str, Any]:
    rotated = rotation.get("partial_rotary_factor")
    fields = {base: _base(rotation), "rope_scaling": _scaling(rotation)}
    if share is not None:
        return fields if rotated is None else {**fields, share: rotated}
    if rotated not in {None, 1}:
        raise _refused(f"partial_rotary_factor {rotated!r}")
    return fields


def _two_rotations(rotation: Mapping[str, Any], model_type: str) -> dict[str, Any]:
    full, sliding = rotation["full_attention"], rotation["sliding_attention"]
    full_base, sliding_base = _TWO_ROTATIONS[model_type]
    scaling = _scaling(full)
    if _scaling(sliding):
        raise _refused(f"rope_parameters {rotation!r:.200}")
    return {full_base: _base(full), sliding_base: _base(sliding), "rope_scaling": scaling}


def _base(rotation: Mapping[str, Any]) -> float:
    base = rotation.get("rope_theta")
    if not isinstance(base, int | float):
        raise _refused(f"rope_parameters with rope_theta {base!r}")
    return base


def _scaling(rotation: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = rotation.get("rope_type") or rotation.get("type") or "default"
    if kind not in _SCALINGS:
        raise _refused(f"rope_type {kind!r}")
    named_otherwise = {"partial_rotary_factor", "rope_theta", "rope_type", "type"}
    others = {name: value for name, value in rotation.items() if name not in named_otherwise}
    return None if kind == "default" else {"rope_type": kind, **others}


def _full_attention_every(layer_types: list[str]) -> int:
    """The step from one layer with full attention to the next; 4.57 starts with one and has regular steps only."""
    for step in range(1, len(layer_types) + 1):
        if layer_types == ["sliding_attention" if at % step else "full_attention" for at in range(len(layer_types))]:
            return step
    raise _refused(f"layer_types {layer_types!r:.200}")


def _refused(what: str) -> UnknownArchitectureError:
    message = f"config.json, as transformers 5 writes it, has {what}, which transformers 4.57 cannot compute"
    return UnknownArchitectureError(f"{message}: optimum traces with 4.57 and would make another model of it")
