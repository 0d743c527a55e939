"""The interface of an adapter: a small change of some weights, which makes another model of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    Tensor = npt.NDArray[np.float32]
    Read = Callable[[str], Tensor]

ROWS = 16_384
"""Rows of a weight that are changed at once: a table of 250,000 words would be there a second time."""


class Adapter(Protocol):
    """Changes the tensors of a checkpoint.

    Attributes:
        name: For messages and the manifest; None: the checkpoint has adapters, and none of them is merged.
        prefix: Put before every text of its task; None: it states none.
    """

    @property
    def name(self) -> str | None: ...  # noqa: D102 - documented above, as the next
    @property
    def prefix(self) -> str | None: ...  # noqa: D102

    def facts(self) -> Mapping[str, object]:
        """The adapter's facts, for the manifest."""

    def original(self, name: str) -> str:
        """The name under which the weights hold a tensor that an adapter changes."""

    def owns(self, name: str) -> bool:
        """Tell if a tensor of the weights belongs to an adapter."""

    def change(self, tensor: Tensor, names: Sequence[str], read: Read) -> bool:
        """Change a tensor in place, and tell if it was one that the adapter knows by such a name.

        Args:
            tensor: As the weights hold it.
            names: The names that it may have, the one in the weights first.
            read: Reads another tensor of the weights.
        """

    def require_all_used(self) -> None:
        """Refuse an adapter that changes tensors which were not read: it is another model's.

        Raises:
            ExportError: there are such tensors.
        """


def add_low_rank(tensor: Tensor, left: Tensor, right: Tensor, scale: float) -> None:
    """Add ``scale * left @ right`` to a tensor in place (Hu et al., "LoRA", 2021)."""
    for start in range(0, len(tensor), ROWS):
        tensor[start : start + ROWS] += scale * (left[start : start + ROWS] @ right)
