"""A chart of monthly cost over tokens: a line for each API, steps for whole machines, and the break-even points."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from embed_plugin.cost.amounts import MILLION
from embed_plugin.cost.month import SECONDS_A_MONTH
from embed_plugin.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from matplotlib.axes import Axes

    from embed_plugin.cost.month import Bill, Machine, Month

_OWN_COLOUR = "#1b7f5c"
_API_COLOURS = ("#2e6da4", "#d35400", "#8e44ad")
_BILLION = 1e9
_POINTS = 2000


def draw(month: Month, machine: Machine, path: Path) -> None:
    """Write the chart as SVG or PNG, by the suffix of the file's name.

    Both axes are logarithmic. They reach from a tenth to ten times the given volume and every break-even.

    Raises:
        OutputError: the file cannot be written, or its format is unknown.
    """
    crossings = [each.break_even.first_tokens for each in month.apis if each.break_even]
    tokens = np.geomspace(min([month.tokens, *crossings]) / 10, 10 * max([month.tokens, *crossings]), _POINTS)
    peak_to_average = month.peak_tokens_per_second / month.tokens_per_second
    fleets = [machine.count_for(each / SECONDS_A_MONTH * peak_to_average) for each in tokens]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    own = f"own machines, ${machine.price_per_month:,.2f} each"
    axes.plot(
        tokens / _BILLION, machine.price_per_month * np.array(fleets), color=_OWN_COLOUR, linewidth=2.5, label=own
    )
    for bill, colour in zip(month.apis, cycle(_API_COLOURS), strict=False):
        _draw_api(axes, bill, tokens, colour)
    axes.axvline(month.tokens / _BILLION, color="#888888", linestyle=":", label="what was asked for")
    axes.set(xscale="log", yscale="log", xlabel="billion tokens a month", ylabel="$ a month")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    try:
        with mpl.rc_context({"svg.fonttype": "none"}):  # text, not outlines
            figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be written ({error}): choose another --picture, .svg or .png") from error


def _draw_api(axes: Axes, bill: Bill, tokens: npt.NDArray[np.float64], colour: str) -> None:
    price = bill.per_million_tokens
    axes.plot(tokens / _BILLION, price * tokens / MILLION, label=f"API at ${price:g} per million tokens", color=colour)
    if bill.break_even:
        first = bill.break_even.first_tokens
        meeting = first / _BILLION, price * first / MILLION
        axes.plot(*meeting, "o", color=colour)
        axes.annotate(f"  {first / _BILLION:,.3g} billion", meeting, va="top", color=colour)
