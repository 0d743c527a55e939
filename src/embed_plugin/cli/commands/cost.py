"""``embed-plugin cost``: the price of a month of embedding, on own machines and by an API."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embed_plugin.cli.options.collection import JsonFile
from embed_plugin.cli.options.groups import OptionGroup, with_option_groups
from embed_plugin.cli.options.model import load_encoder
from embed_plugin.cli.options.progress import Quiet
from embed_plugin.cli.reports.cost import CostReport, print_report
from embed_plugin.cli.reports.output import write_json
from embed_plugin.cli.reports.progress import Amount, shown_progress
from embed_plugin.cli.stopping import stoppable
from embed_plugin.cost import CollectionSize, Load, Machine, Traffic, month_of
from embed_plugin.cost.month import HOURS_A_MONTH
from embed_plugin.cost.sample_texts import sample_texts
from embed_plugin.cost.storage import BYTES_OF_A_TOKEN
from embed_plugin.errors import InvalidInputError
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin.protocols import TextEncoder

MEASURED_SECONDS = 8.0
_SAMPLE_TEXTS, _SAMPLE_REPEATS = 512, 64
_USUAL_DIMENSION = 384
_UNITS = {"k": 1e3, "M": 1e6, "B": 1e9}


def amount(text: str) -> float:
    """Parse a finite number above zero: ``12000000``, ``12_000_000``, ``12e6`` or ``12M``.

    Raises:
        typer.BadParameter: the text is no such number; typer adds the name of the option.
    """
    written, unit = (text[:-1], _UNITS[text[-1]]) if text[-1:] in _UNITS else (text, 1.0)
    try:
        number = float(written) * unit
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise typer.BadParameter(f"{text!r}: expected a number above 0, such as 0.02, 12_000_000, 12e6 or 12M")
    return number


@dataclass(frozen=True, kw_only=True)
class TrafficOptions(OptionGroup, panel="Traffic"):
    """Texts to embed in a month."""

    texts_per_month: Annotated[
        float, typer.Option(parser=amount, metavar="N", help="Texts to embed in a month.", show_default=False)
    ]
    tokens_per_text: Annotated[
        float, typer.Option(parser=amount, metavar="N", help="Their mean length.", show_default=False)
    ]
    peak_to_average: Annotated[float, typer.Option(min=1, help="The busiest time over the month's mean.")] = 3.0


@dataclass(frozen=True, kw_only=True)
class MachineOptions(OptionGroup, panel="Machine"):
    """Price and speed of one machine."""

    machine_per_month: Annotated[
        float | None, typer.Option(parser=amount, metavar="$", help="Price of one machine.", show_default=False)
    ] = None
    machine_per_hour: Annotated[
        float | None, typer.Option(parser=amount, metavar="$", help="The same by the hour.", show_default=False)
    ] = None
    tokens_per_second: Annotated[
        float | None, typer.Option(parser=amount, metavar="N", help="What one machine embeds.", show_default=False)
    ] = None
    model: Annotated[
        str | None, typer.Option("--model", help="Model folder, to measure this machine.", show_default=False)
    ] = None
    utilisation: Annotated[
        float, typer.Option(min=0, max=1, help="Part of a machine's speed that is planned with.")
    ] = 0.7

    def machine(self) -> Machine:
        """Make the machine; its speed is 1 where a model is to be measured.

        Raises:
            typer.BadParameter: not one price and one of --tokens-per-second and --model.
            InvalidInputError: the utilisation is out of range.
        """
        if (self.machine_per_month is None) == (self.machine_per_hour is None):
            raise typer.BadParameter("give one of the two", param_hint="--machine-per-month, --machine-per-hour")
        if (self.tokens_per_second is None) == (self.model is None):
            message = "give one of the two: a number, or a model folder to measure this machine with"
            raise typer.BadParameter(message, param_hint="--tokens-per-second, --model")
        price = self.machine_per_month or (self.machine_per_hour or 0) * HOURS_A_MONTH
        return Machine(self.tokens_per_second or 1, price, self.utilisation)


@dataclass(frozen=True, kw_only=True)
class StorageOptions(OptionGroup, panel="Storage"):
    """Vectors kept in Qdrant."""

    chunks: Annotated[
        float | None,
        typer.Option(parser=amount, metavar="N", help="Vectors kept in Qdrant.", show_default="texts of a month"),
    ] = None
    dimension: Annotated[
        int | None, typer.Option(min=1, help="Numbers of a vector.", show_default="the model's, or 384")
    ] = None
    hnsw_m: Annotated[int, typer.Option(min=0, help="Edges of a point in the index.")] = 16


@with_option_groups
def cost(
    *,
    traffic_options: TrafficOptions,
    api_price: Annotated[
        list[float],
        typer.Option(parser=amount, metavar="$", help="Of a million tokens; repeatable.", show_default=False),
    ],
    machine_options: MachineOptions,
    storage_options: StorageOptions,
    picture: Annotated[
        Path | None, typer.Option(help="Draw cost over tokens: FILE.svg or .png.", show_default=False)
    ] = None,
    quiet: Quiet = False,
    json_file: JsonFile = None,
) -> None:
    """Compare a month on machines of your own with an API, and say what the vectors take in Qdrant.

    Prices are yours to give. How fast a machine is comes from --tokens-per-second, or is measured on this one, in
    seconds, with --model. Every assumption is in the answer.

    Example: embed-plugin cost --texts-per-month 12M --tokens-per-text 50 --api-price 0.02 --machine-per-month 60
    --model models/minilm-int8
    """
    if picture and not (picture.suffix in {".png", ".svg"} and picture.parent.is_dir()):
        raise typer.BadParameter(
            f"{picture}: expected FILE.svg or FILE.png in a folder that is there", param_hint="--picture"
        )
    draw = import_part("embed_plugin.cost.picture", extra="picture").draw if picture else None
    with _wrong_usage():  # before a model is measured
        traffic, machine = Traffic(**traffic_options.given()), machine_options.machine()
    dimension = _USUAL_DIMENSION
    if machine_options.model is not None:
        encoder = load_encoder(machine_options.model)
        machine = replace(machine, tokens_per_second=_measured(encoder, traffic.tokens_per_text, quiet=quiet))
        dimension = encoder.dimension
    collection = CollectionSize(
        count=storage_options.chunks or traffic.texts_per_month,
        dimension=storage_options.dimension or dimension,
        text_bytes=traffic.tokens_per_text * BYTES_OF_A_TOKEN,
        hnsw_m=storage_options.hnsw_m,
    )
    report = CostReport(
        traffic=traffic,
        machine=machine,
        month=month_of(traffic, machine, api_prices=tuple(api_price)),
        collection=collection,
        load=Load(collection.count, traffic.tokens_per_text, collection.text_bytes, collection.dimension),
        measured_with=machine_options.model,
    )
    if draw:
        draw(report.month, machine, picture)
    if json_file:
        write_json(report.facts(), json_file)
    else:
        print_report(report)


@contextmanager
def _wrong_usage() -> Iterator[None]:
    """Turn values that the arithmetic refuses into wrong usage, exit code 2."""
    try:
        yield
    except InvalidInputError as error:
        raise typer.BadParameter(str(error)) from error


def _measured(encoder: TextEncoder, tokens_per_text: float, *, quiet: bool) -> float:
    if tokens_per_text > encoder.max_tokens:
        message = f"{tokens_per_text:g}: this model reads {encoder.max_tokens} tokens of a text; give those of a chunk"
        raise typer.BadParameter(message, param_hint="--tokens-per-text")
    texts = sample_texts(tokens_per_text, _SAMPLE_TEXTS)
    tokens = [min(int(count), encoder.max_tokens) for count in encoder.count_tokens(texts)]
    from embed_plugin.encode.throughput import measure_tokens_per_second  # noqa: PLC0415 - loads the engine

    def amount(seconds: float, tokens_per_second: float) -> Amount:
        return Amount(seconds, MEASURED_SECONDS, "second", rate=f"{tokens_per_second:,.0f} tokens/s")

    with stoppable("Stopping"), shown_progress("measure", quiet=quiet) as show:
        return measure_tokens_per_second(
            encoder,
            texts * _SAMPLE_REPEATS,
            tokens * _SAMPLE_REPEATS,
            seconds=MEASURED_SECONDS,
            on_progress=lambda *measured: show(amount(*measured)),
        )
