"""A month of embedding: the price of an API, the machines needed, and the volume at which both cost the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

from embed_plugin.cost.amounts import MILLION, require_amounts
from embed_plugin.errors import InvalidInputError

HOURS_A_MONTH = 30 * 24
SECONDS_A_MONTH = HOURS_A_MONTH * 3600


@dataclass(frozen=True)
class Traffic:
    """The work of a month of 30 days.

    Attributes:
        texts_per_month: Queries and documents.
        tokens_per_text: Mean length of a text, special tokens included.
        peak_to_average: Tokens a second at the busiest time over the month's mean. An assumption: 3 fits a service
            used by day, 1 fits bulk work that can wait.
    """

    texts_per_month: float
    tokens_per_text: float
    peak_to_average: float = 3.0

    def __post_init__(self) -> None:
        require_amounts(texts_per_month=self.texts_per_month, tokens_per_text=self.tokens_per_text)
        if not 1 <= self.peak_to_average < math.inf:
            raise InvalidInputError(
                f"peak_to_average is {self.peak_to_average:g}: expected 1 or more, the busiest time over the mean"
            )

    @property
    def tokens(self) -> float:
        """Tokens of the month: ``texts_per_month * tokens_per_text``."""
        return self.texts_per_month * self.tokens_per_text

    @property
    def tokens_per_second(self) -> float:
        """Mean rate: ``tokens / SECONDS_A_MONTH``."""
        return self.tokens / SECONDS_A_MONTH

    @property
    def peak_tokens_per_second(self) -> float:
        """Rate at the busiest time: ``tokens_per_second * peak_to_average``."""
        return self.tokens_per_second * self.peak_to_average


@dataclass(frozen=True)
class Machine:
    """A machine that embeds, paid for by the month, busy or idle.

    Attributes:
        tokens_per_second: Full speed, with no other load.
        price_per_month: In the currency of the API's price.
        utilisation: Part of ``tokens_per_second`` to plan with, above 0 and at most 1. An assumption: queries
            wait longer the nearer a machine is to its limit (docs/measurements/service.md: at 50, 80, 120 %).
    """

    tokens_per_second: float
    price_per_month: float
    utilisation: float = 0.7

    def __post_init__(self) -> None:
        require_amounts(tokens_per_second=self.tokens_per_second, price_per_month=self.price_per_month)
        if not 0 < self.utilisation <= 1:
            raise InvalidInputError(f"utilisation is {self.utilisation:g}: expected more than 0 and at most 1")

    @property
    def planned_tokens_per_second(self) -> float:
        """``tokens_per_second * utilisation``."""
        return self.tokens_per_second * self.utilisation

    def count_for(self, tokens_per_second: float) -> int:
        """Whole machines for this rate, at least one: ``ceil(tokens_per_second / planned_tokens_per_second)``."""
        needed = round(tokens_per_second / self.planned_tokens_per_second, 9)  # a rounding error buys no machine
        return max(1, math.ceil(needed))


@dataclass(frozen=True)
class Fleet:
    """Machines for a month.

    Attributes:
        machines: Number of machines.
        per_month: ``machines * price_per_month``.
        per_million_tokens: ``per_month`` over the month's tokens in millions.
    """

    machines: int
    per_month: float
    per_million_tokens: float


@dataclass(frozen=True)
class BreakEven:
    """Volumes, in tokens a month, at which machines for the peak cost as much as the API.

    Machines are whole, so their cost is a step function that the API's line may cross several times.

    Attributes:
        first_tokens: Volume at which the first machine pays off: ``price_per_month / api price of a token``.
        settled_tokens: Volume from which the machines never cost more than the API, at any number of machines.
    """

    first_tokens: float
    settled_tokens: float


@dataclass(frozen=True)
class Bill:
    """The price of an API for a month.

    Attributes:
        per_million_tokens: Price of a million tokens.
        per_month: ``per_million_tokens`` times the month's tokens in millions.
        break_even: Volumes at which own machines cost as much; None if they never cost less.
    """

    per_million_tokens: float
    per_month: float
    break_even: BreakEven | None


@dataclass(frozen=True)
class Month:
    """The costs of a month side by side.

    Attributes:
        tokens: Tokens of the month.
        tokens_per_second: Mean rate.
        peak_tokens_per_second: Rate at the busiest time.
        average: Machines for the mean rate: all work can wait.
        peak: Machines for the rate at the busiest time.
        apis: The bill at each of the given prices.
    """

    tokens: float
    tokens_per_second: float
    peak_tokens_per_second: float
    average: Fleet
    peak: Fleet
    apis: tuple[Bill, ...]


def month_of(traffic: Traffic, machine: Machine, *, api_prices: tuple[float, ...]) -> Month:
    """Compute the costs of a month on own machines and at each of these prices per million tokens."""

    def fleet(tokens_per_second: float) -> Fleet:
        machines = machine.count_for(tokens_per_second)
        per_month = machines * machine.price_per_month
        return Fleet(machines, per_month, per_month / (traffic.tokens / MILLION))

    def bill(price: float) -> Bill:
        crossing = break_even(machine, api_price=price, peak_to_average=traffic.peak_to_average)
        return Bill(price, price * traffic.tokens / MILLION, crossing)

    return Month(
        tokens=traffic.tokens,
        tokens_per_second=traffic.tokens_per_second,
        peak_tokens_per_second=traffic.peak_tokens_per_second,
        average=fleet(traffic.tokens_per_second),
        peak=fleet(traffic.peak_tokens_per_second),
        apis=tuple(map(bill, api_prices)),
    )


def break_even(machine: Machine, *, api_price: float, peak_to_average: float = 3.0) -> BreakEven | None:
    """Find the volumes at which machines for the peak cost as much as an API; None if they never cost less.

    A machine costs as much as ``paid = price_per_month / api_price`` tokens by the API, and has room for ``room``
    tokens a month at this peak. If ``paid`` is not below ``room``, a full machine costs no less than the API.
    Otherwise n machines, which are needed from ``(n - 1) * room`` tokens on, cost less from ``n * paid`` on. That is
    a crossing while ``n * paid > (n - 1) * room``, so the last n is the largest whole number below
    ``room / (room - paid)``.

    Args:
        machine: One machine.
        api_price: Price of a million tokens.
        peak_to_average: As in :class:`Traffic`.
    """
    require_amounts(api_price=api_price, peak_to_average=peak_to_average)
    paid = machine.price_per_month / api_price * MILLION
    room = machine.planned_tokens_per_second / peak_to_average * SECONDS_A_MONTH
    if paid >= room:
        return None
    crossings = max(1, math.ceil(room / (room - paid)) - 1)
    return BreakEven(first_tokens=paid, settled_tokens=crossings * paid)
