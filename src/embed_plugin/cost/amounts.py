"""What amounts may be."""

from __future__ import annotations

import math

from embed_plugin.errors import InvalidInputError

MILLION = 1e6


def require_amounts(**amounts: float) -> None:
    """Refuse what is no finite number above zero.

    Raises:
        InvalidInputError: names the first such amount.
    """
    for name, amount in amounts.items():
        if not (math.isfinite(amount) and amount > 0):
            raise InvalidInputError(f"{name} is {amount:g}: expected a finite number above 0")
