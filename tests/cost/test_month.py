from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin import InvalidInputError
from embed_plugin.cost import BreakEven, Machine, Traffic, break_even, month_of

PRICES = st.floats(0.001, 10)
MACHINES = st.builds(Machine, st.floats(100, 1e6), st.floats(1, 10_000), st.floats(0.1, 1))
PEAKS = st.floats(1, 10)


def costs(tokens: float, machine: Machine, price: float, peak: float) -> tuple[float, float]:
    """Return the cost of own machines for the peak, and of the API."""
    month = month_of(Traffic(tokens, 1, peak), machine, api_prices=(price,))
    return month.peak.per_month, month.apis[0].per_month


def test_twelve_million_short_texts_are_twelve_dollars() -> None:
    month = month_of(Traffic(12e6, 50), Machine(34_700, 60), api_prices=(0.02,))
    assert month.apis[0].per_month == pytest.approx(12)
    assert (month.average.machines, month.peak.machines, month.peak.per_month) == (1, 1, 60)
    assert month.apis[0].break_even == BreakEven(3e9, 3e9)


def test_fifty_billion_tokens_are_a_thousand_dollars_or_6500_and_19300_a_second() -> None:
    month = month_of(Traffic(1e9, 50, peak_to_average=3), Machine(10_000, 60, utilisation=0.7), api_prices=(0.02, 0.13))
    assert [bill.per_month for bill in month.apis] == pytest.approx([1000, 6500])
    assert month.tokens_per_second == pytest.approx(19_290, abs=1)
    assert month.average.machines == 3  # 19,290 / 7,000
    assert month.peak.machines == 9  # 57,870 / 7,000
    assert month.peak.per_million_tokens == pytest.approx(9 * 60 / 50_000)


def test_a_machine_is_not_bought_for_the_last_bit_of_a_float() -> None:
    machine = Machine(0.7, 1, utilisation=0.1)
    assert machine.count_for(3 * 0.7 * 0.1) == 3
    assert machine.count_for(0) == 1


@given(MACHINES, st.floats(1e3, 1e13), st.floats(1, 100), PRICES, PEAKS)
def test_more_tokens_never_cost_less(machine: Machine, tokens: float, times: float, price: float, peak: float) -> None:
    fewer, more = costs(tokens, machine, price, peak), costs(tokens * times, machine, price, peak)
    assert fewer[0] <= more[0]
    assert fewer[1] <= more[1] * (1 + 1e-12)


@given(MACHINES, PRICES, PEAKS)
def test_at_break_even_both_cost_the_same_and_below_it_the_api_less(
    machine: Machine, price: float, peak: float
) -> None:
    crossing = break_even(machine, api_price=price, peak_to_average=peak)
    if crossing:
        for tokens in (crossing.first_tokens, crossing.settled_tokens):
            own, api = costs(tokens, machine, price, peak)
            assert own == pytest.approx(api)
        own, api = costs(0.99 * crossing.first_tokens, machine, price, peak)
        assert api < own


@given(MACHINES, PRICES, PEAKS, st.floats(1, 1000))
def test_from_where_it_is_settled_the_api_is_never_cheaper(
    machine: Machine, price: float, peak: float, times: float
) -> None:
    crossing = break_even(machine, api_price=price, peak_to_average=peak)
    if crossing:
        own, api = costs(crossing.settled_tokens * times, machine, price, peak)
        assert own <= api * (1 + 1e-6)


@given(MACHINES, PRICES, PEAKS, st.floats(1e3, 1e15))
def test_without_a_break_even_the_api_is_never_dearer(
    machine: Machine, price: float, peak: float, tokens: float
) -> None:
    if break_even(machine, api_price=price, peak_to_average=peak) is None:
        own, api = costs(tokens, machine, price, peak)
        assert api <= own * (1 + 1e-6)


def test_whole_machines_make_the_api_cheaper_again() -> None:
    # A machine has room for 70 tokens a second, 181,440,000 a month, and costs what the API does for 150 million.
    machine = Machine(100, 15, utilisation=0.7)
    crossing = break_even(machine, api_price=0.1, peak_to_average=1)
    assert crossing == BreakEven(150e6, 5 * 150e6)  # 181.44 / (181.44 - 150) = 5.8
    assert costs(200e6, machine, 0.1, 1) == pytest.approx((30, 20))
    assert costs(310e6, machine, 0.1, 1) == pytest.approx((30, 31))


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf])
def test_amounts_that_are_none_are_refused_by_name(bad: float) -> None:
    with pytest.raises(InvalidInputError, match="texts_per_month"):
        Traffic(bad, 50)
    with pytest.raises(InvalidInputError, match="price_per_month"):
        Machine(1, bad)
    with pytest.raises(InvalidInputError, match="api_price"):
        month_of(Traffic(1, 1), Machine(1, 1), api_prices=(bad,))


@pytest.mark.parametrize("bad", [0.5, math.nan, math.inf])
def test_ratios_that_are_none_are_refused_by_name(bad: float) -> None:
    with pytest.raises(InvalidInputError, match="peak_to_average is"):
        Traffic(1, 1, peak_to_average=bad)
    with pytest.raises(InvalidInputError, match="utilisation is"):
        Machine(1, 1, utilisation=bad + 1)
