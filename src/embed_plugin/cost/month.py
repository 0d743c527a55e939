"""A month of embedding: what an API takes for it, how many machines do it, and where the two cost the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

from embed_plugin.cost.amounts import MILLION, require_amounts
from embed_plugin.errors import InvalidInputError

HOURS_A_MONTH = 30 * 24
SECONDS_A_MONTH = HOURS_A_MONTH * 3600


@dataclass(frozen=True)
class Traffic:
    """What is embedded in a month of 30 days.

    Attributes:
        texts_per_month: Texts, queries and documents alike.
        tokens_per_text: Their mean length, special tokens included.
        peak_to_average: Tokens a second at the busiest time over the month's mean. An assumption: 3 is a service that
            people use by day; 1 is work that can wait, bulk for instance.
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
        """The mean: ``tokens / SECONDS_A_MONTH``."""
        return self.tokens / SECONDS_A_MONTH

    @property
    def peak_tokens_per_second(self) -> float:
        """The busiest time: ``tokens_per_second * peak_to_average``."""
        return self.tokens_per_second * self.peak_to_average


@dataclass(frozen=True)
class Machine:
    """A machine that embeds, paid for by the month whether it has work or not.

    Attributes:
        tokens_per_second: What it embeds with nothing else to do.
        price_per_month: In dollars, or whatever the API's price is in.
        utilisation: The part of ``tokens_per_second`` that is planned with, above 0 and at most 1. An assumption:
            queries wait longer the nearer a machine is to its limit (at 50, 80 and 120 %:
            docs/measurements/service.md).
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
        """Whole machines for so much work, one at least: ``ceil(tokens_per_second / planned_tokens_per_second)``."""
        needed = round(tokens_per_second / self.planned_tokens_per_second, 9)  # the last bit of a float buys no machine
        return max(1, math.ceil(needed))


@dataclass(frozen=True)
class Fleet:
    """Machines for a month.

    Attributes:
        machines: How many.
        per_month: ``machines * price_per_month``.
        per_million_tokens: ``per_month`` over the month's tokens in millions.
    """

    machines: int
    per_month: float
    per_million_tokens: float


@dataclass(frozen=True)
class BreakEven:
    """Where machines for the peak cost what the API does, in tokens a month.

    Machines are whole, so their cost is a stair that the API's line may cross several times.

    Attributes:
        first_tokens: The first machine has paid for itself: ``price_per_month / api price of a token``.
        settled_tokens: From here on the machines never cost more than the API, however many they are.
    """

    first_tokens: float
    settled_tokens: float


@dataclass(frozen=True)
class Bill:
    """What an API takes for a month.

    Attributes:
        per_million_tokens: Its price.
        per_month: ``per_million_tokens`` times the month's tokens in millions.
        break_even: Where own machines cost as much; None where they never cost less.
    """

    per_million_tokens: float
    per_month: float
    break_even: BreakEven | None


@dataclass(frozen=True)
class Month:
    """A month's cost, side by side.

    Attributes:
        tokens: Tokens of the month.
        tokens_per_second: The mean.
        peak_tokens_per_second: The busiest time.
        average: Machines where all work can wait for its turn.
        peak: Machines that also take the busiest time as it comes.
        apis: The bill at each price that was asked for.
    """

    tokens: float
    tokens_per_second: float
    peak_tokens_per_second: float
    average: Fleet
    peak: Fleet
    apis: tuple[Bill, ...]


def month_of(traffic: Traffic, machine: Machine, *, api_prices: tuple[float, ...]) -> Month:
    """Reckon a month on own machines and at each of these prices per million tokens."""

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
    """Find where machines for the peak cost what an API does; None where they never cost less.

    A machine costs what the API takes for ``paid = price_per_month / api_price`` tokens, and has room for ``room``
    tokens a month at this peak. If ``paid`` is not below ``room``, a full machine costs no less than the API.
    Otherwise n machines, which are needed from ``(n - 1) * room`` tokens on, cost less from ``n * paid`` on. That is
    a crossing while ``n * paid > (n - 1) * room``, so the last n is the largest whole number below
    ``room / (room - paid)``.

    Args:
        machine: One machine.
        api_price: Of a million tokens.
        peak_to_average: As of :class:`Traffic`.
    """
    require_amounts(api_price=api_price, peak_to_average=peak_to_average)
    paid = machine.price_per_month / api_price * MILLION
    room = machine.planned_tokens_per_second / peak_to_average * SECONDS_A_MONTH
    if paid >= room:
        return None
    crossings = max(1, math.ceil(room / (room - paid)) - 1)
    return BreakEven(first_tokens=paid, settled_tokens=crossings * paid)
