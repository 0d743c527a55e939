"""Texts of numbers: dates, prices, versions, tables. They are computed, so they are the same on every machine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_CURRENCIES = ("EUR", "$", "£", "CHF", "¥")
_UNITS = ("kg", "km/h", "mg", "°C", "MB", "kWh", "dB", "mmHg")


class _Digits:
    """Numbers that depend on a seed alone; Python's own generator may change what it draws from release to release."""

    def __init__(self, seed: int) -> None:
        self.seed, self.drawn = seed, 0

    def below(self, end: int) -> int:
        """Draw a number from 0 to ``end - 1``."""
        self.drawn += 1
        digest = hashlib.sha256(f"{self.seed}:{self.drawn}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % end

    def long(self, digits: int) -> int:
        """Draw a number of 1 to ``digits`` digits."""
        return self.below(10 ** (1 + self.below(digits)))

    def one_of(self, choices: tuple[str, ...]) -> str:
        """Draw one of the choices."""
        return choices[self.below(len(choices))]


def number_texts(count: int) -> list[str]:
    """Make the first ``count`` texts of numbers, each of another form than the ones around it."""
    return [_FORMS[index % len(_FORMS)](_Digits(index)) for index in range(count)]


def _date(draw: _Digits) -> str:
    year, month, day = 1900 + draw.below(140), 1 + draw.below(12), 1 + draw.below(28)
    forms = (f"{year}-{month:02}-{day:02}", f"{day}.{month}.{year}", f"{month}/{day}/{year % 100:02}")
    return draw.one_of(forms)


def _time(draw: _Digits) -> str:
    return f"{_date(draw)} {draw.below(24):02}:{draw.below(60):02}:{draw.below(60):02}.{draw.below(1000):03}"


def _price(draw: _Digits) -> str:
    return f"{draw.one_of(_CURRENCIES)} {draw.long(6):,}.{draw.below(100):02}"


def _version(draw: _Digits) -> str:
    return f"v{draw.below(30)}.{draw.below(60)}.{draw.below(20)}{draw.one_of(('', 'rc1', '-beta.2', '.post3'))}"


def _measure(draw: _Digits) -> str:
    return f"{draw.long(4)}.{draw.below(100)} {draw.one_of(_UNITS)} ± {draw.below(10)}.{draw.below(10)}"


def _sequence(draw: _Digits) -> str:
    return ", ".join(str(draw.long(5)) for _ in range(3 + draw.below(40)))


def _table(draw: _Digits, between: str) -> str:
    columns = 2 + draw.below(4)
    rows = [[str(draw.long(6)) for _ in range(columns)] for _ in range(2 + draw.below(8))]
    return "\n".join(between.join(row) for row in rows)


def _address(draw: _Digits) -> str:
    return ".".join(str(draw.below(256)) for _ in range(4)) + f":{draw.below(65_536)}"


def _phone(draw: _Digits) -> str:
    return f"+{1 + draw.below(99)} {draw.below(1000):03} {draw.below(10_000_000):07}"


def _coordinates(draw: _Digits) -> str:
    return f"{draw.below(90)}.{draw.below(10_000):04} N, {draw.below(180)}.{draw.below(10_000):04} E"


def _shares(draw: _Digits) -> str:
    return "; ".join(f"{draw.below(100)}.{draw.below(10)} %" for _ in range(2 + draw.below(12)))


def _scientific(draw: _Digits) -> str:
    return f"{draw.below(10)}.{draw.below(1000):03}e-{draw.below(30)} (p < 0.0{draw.below(10)}, n = {draw.long(4)})"


_FORMS: tuple[Callable[[_Digits], str], ...] = (
    lambda draw: str(draw.below(10)),
    _date,
    _price,
    lambda draw: str(draw.below(10 ** (4 + draw.below(24)))),
    _version,
    lambda draw: _table(draw, "\t"),
    _time,
    lambda draw: str(draw.long(4)),
    _measure,
    _sequence,
    _address,
    lambda draw: f"-{draw.long(3)}.{draw.below(10**6)}",
    _phone,
    lambda draw: _table(draw, " | "),
    _coordinates,
    _shares,
    _scientific,
    lambda draw: f"0x{draw.below(2**48):x}",
)
