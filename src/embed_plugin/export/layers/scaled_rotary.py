"""Read the rotations of a decoder from ``config.json``, and scale their frequencies for longer texts.

transformers 5 keeps all values in ``rope_parameters``; before, ``rope_theta`` stood alone and ``rope_scaling`` had the
rest. Both are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_plugin.export.layers.rotary import frequencies

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

_READ = {
    "default": frozenset[str](),
    "linear": frozenset({"factor"}),
    "llama3": frozenset({"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}),
}
"""The values that each way of scaling has."""

_OF_EVERY_TYPE = {"rope_theta", "rope_type", "type"}


@dataclass(frozen=True)
class Scaling:
    """The rotations of some layers, as ``config.json`` has them.

    Attributes:
        kind: ``default``, ``linear`` or ``llama3``.
        values: The values of that kind, and ``rope_theta``.
    """

    kind: str
    values: Mapping[str, Any]

    def frequencies(self, size: int) -> npt.NDArray[np.float64]:
        """The angles of :func:`~embed_plugin.export.layers.rotary.frequencies`, scaled.

        Raises:
            KeyError: a value is missing.
        """
        plain = frequencies(self.values["rope_theta"], size)
        if self.kind == "linear":
            return plain / float(self.values["factor"])
        return _llama3(plain, self.values) if self.kind == "llama3" else plain


def _llama3(plain: npt.NDArray[np.float64], values: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """Divide slow rotations by a factor, leave fast ones, and blend between: Llama 3.1's own.

    A rotation is fast or slow by the turns it makes in a text of the length that was trained with first.
    """
    slow, fast = values["low_freq_factor"], values["high_freq_factor"]
    turns = values["original_max_position_embeddings"] * plain / (2 * np.pi)
    share = np.clip((turns - slow) / (fast - slow), 0, 1)
    return np.asarray(plain * (share + (1 - share) / values["factor"]))


def read_scaling(config: Mapping[str, Any], layers: str = "", *, theta: str = "rope_theta") -> Scaling:
    """Read the rotations.

    Args:
        config: ``config.json``.
        layers: The type of layers, where ``rope_parameters`` has the rotations by type; empty: all layers.
        theta: The older name of the base of the wavelengths.
    """
    newer, scaled = config.get("rope_parameters"), config.get("rope_scaling")
    for stated in (newer, scaled):
        if stated and not isinstance(stated, dict):
            return Scaling(str(stated), {})
    if newer:
        values = dict((newer.get(layers) or {}) if layers else newer)
    else:
        values = {} if layers == "sliding_attention" else dict(scaled or {})
        values = {"rope_theta": config[theta], **values} if theta in config else values
    kind = str(values.get("rope_type") or values.get("type") or "default")
    if kind == "llama3":
        fallback = values.get("original_max_position_embeddings") or config.get("max_position_embeddings")
        values["original_max_position_embeddings"] = config.get("original_max_position_embeddings") or fallback
    return Scaling(kind, values)


def unknown_scaling(scaling: Scaling) -> str | None:
    """Name a way of scaling, or a value of it, that is not computed; None: there is none."""
    if scaling.kind not in _READ:
        return f"rope_type {scaling.kind!r}"
    unread = {name for name, value in scaling.values.items() if value is not None}
    unread -= _READ[scaling.kind] | _OF_EVERY_TYPE
    if scaling.values.get("partial_rotary_factor") == 1:
        unread -= {"partial_rotary_factor"}
    return f"rotations with {', '.join(sorted(unread))}" if unread else None
