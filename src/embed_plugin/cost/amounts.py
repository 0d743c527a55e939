"""The check of amounts: finite numbers above zero."""

from __future__ import annotations

import math

from embed_plugin.errors import InvalidInputError

MILLION = 1e6


def require_amounts(**amounts: float) -> None:
    """Refuse amounts that are not finite numbers above zero.

    Raises:
        InvalidInputError: an amount is refused; the message names the first one.
    """
    for name, amount in amounts.items():
        if not (math.isfinite(amount) and amount > 0):
            raise InvalidInputError(f"{name} is {amount:g}: expected a finite number above 0")
