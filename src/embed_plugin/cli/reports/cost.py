"""The report of ``embed-plugin cost``: tables, the cheaper side at each price, and every assumption."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from embed_plugin.cli.reports.output import print_facts
from embed_plugin.cost.month import HOURS_A_MONTH
from embed_plugin.cost.storage import BYTES_OF_A_LEDGER, BYTES_OF_A_TOKEN, BYTES_OF_IDS

if TYPE_CHECKING:
    from embed_plugin.cost import Bill, CollectionSize, Load, Machine, Month, Traffic

_WIDTH_OF_A_FILE = 120


@dataclass(frozen=True)
class CostReport:
    """Input and results of one cost comparison."""

    traffic: Traffic
    machine: Machine
    month: Month
    collection: CollectionSize
    load: Load
    measured_with: str | None

    def facts(self) -> dict[str, object]:
        """Return everything for JSON; names say the units, prices are in the currency they were given in."""
        machines = self.month.peak.machines
        return {
            "traffic": asdict(self.traffic),
            "machine": {**asdict(self.machine), "measured_with": self.measured_with},
            "month": asdict(self.month),
            "verdicts": [" ".join(verdict(bill, self.month)) for bill in self.month.apis],
            "points": {**asdict(self.collection), "rule_of_thumb_bytes": self.collection.rule_of_thumb_bytes},
            "stored": [asdict(each) for each in self.collection.storage_forms()],
            "load": {
                "machine_hours": self.load.hours(self.machine.tokens_per_second),
                "hours": self.load.hours(self.machine.tokens_per_second * machines),
                "requests": self.load.requests,
                "grpc_bytes": self.load.grpc_bytes,
                "http_bytes": self.load.http_bytes,
            },
        }


def verdict(bill: Bill, month: Month) -> list[str]:
    """Return sentences: the cheaper side at one price of the API, by how much, and the volume where that changes."""
    saved, saved_by_average = bill.per_month - month.peak.per_month, bill.per_month - month.average.per_month
    at = f"At ${bill.per_million_tokens:g} per million tokens"
    if saved > 0:
        part = f"{saved / bill.per_month:.0%} of its bill"
        return [
            f"{at} own machines cost ${saved:,.2f} a month less than the API, {part}.",
            *_turning_point(bill, month),
        ]
    sentences = [
        f"{at} the API is cheaper by ${-saved:,.2f} a month: at this volume hosting costs more than it saves.",
        *_turning_point(bill, month),
    ]
    if saved_by_average > 0:
        sentences.append(f"If all work can wait for quiet hours, own machines are cheaper by ${saved_by_average:,.2f}.")
    return sentences


def _turning_point(bill: Bill, month: Month) -> list[str]:
    crossing = bill.break_even
    if crossing is None:
        return ["No volume changes that: at this peak, a machine as busy as planned costs no less a token."]
    part = crossing.first_tokens / month.tokens
    sentences = [f"Break-even is at {crossing.first_tokens:,.0f} tokens a month, {part:.1%} of this volume."]
    if crossing.settled_tokens > crossing.first_tokens:
        sentences.append(
            f"Machines are whole, so the API is cheaper again at times up to {crossing.settled_tokens:,.0f} tokens."
        )
    return sentences


def print_report(report: CostReport) -> None:
    """Print the month, the verdicts, the storage, the first load and the assumptions."""
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)
    console.print(_month_table(report.month))
    for bill in report.month.apis:
        console.print("", *verdict(bill, report.month), sep="\n")
    console.print("", _storage_table(report.collection), sep="\n")
    console.print()
    print_facts(_load_facts(report))
    console.print("\nAssumptions", style="bold")
    print_facts(_assumptions(report))


def _month_table(month: Month) -> Table:
    table = _table(f"A month of {month.tokens:,.0f} tokens", "machines", "a month", "a million tokens")
    for bill in month.apis:
        table.add_row("API", "", f"${bill.per_month:,.2f}", f"${bill.per_million_tokens:,.4f}")
    for name, rate, fleet in (
        ("average", month.tokens_per_second, month.average),
        ("peak", month.peak_tokens_per_second, month.peak),
    ):
        row = f"own machines, {name} of {rate:,.0f} tokens/s"
        table.add_row(row, f"{fleet.machines:,}", f"${fleet.per_month:,.2f}", f"${fleet.per_million_tokens:,.4f}")
    return table


def _storage_table(collection: CollectionSize) -> Table:
    table = _table(f"{collection.count:,.0f} vectors of {collection.dimension} in Qdrant", "in memory", "on disk")
    for each in collection.storage_forms():
        table.add_row(each.name, _size(each.memory_bytes), _size(each.disk_bytes))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for each in others:
        table.add_column(each, justify="right", no_wrap=True)
    return table


def _load_facts(report: CostReport) -> dict[str, object]:
    load, machines = report.load, report.month.peak.machines
    alone = load.hours(report.machine.tokens_per_second)
    together = f", {alone / machines:,.1f} on the {machines:,} of the peak" if machines > 1 else ""
    grpc, http, rule = map(_size, (load.grpc_bytes, load.http_bytes, report.collection.rule_of_thumb_bytes))
    return {
        "to embed them once": f"{alone:,.1f} hours on one machine{together}",
        "to a Qdrant server": f"{load.requests:,} requests; {grpc} by gRPC, {http} by HTTP",
        "Qdrant's rule of thumb": f"{rule} of memory for float32 (vectors x {load.dimension} x 4 bytes x 1.5)",
    }


def _assumptions(report: CostReport) -> dict[str, object]:
    machine, traffic, collection = report.machine, report.traffic, report.collection
    measured = f", measured here with {report.measured_with}" if report.measured_with else ""
    return {
        "traffic": f"{traffic.texts_per_month:,.0f} texts a month of {traffic.tokens_per_text:g} tokens",
        "peak": f"{traffic.peak_to_average:g} times the average",
        "a machine": f"{machine.tokens_per_second:,.0f} tokens/s{measured}; ${machine.price_per_month:,.2f} a month",
        "planned with": f"{machine.utilisation:.0%} of that",
        "a month": f"{HOURS_A_MONTH} hours, and machines are paid for all of them",
        "a text": f"{collection.text_bytes:,.0f} bytes, {BYTES_OF_A_TOKEN} a token, and {BYTES_OF_A_LEDGER} of ledger",
        "the index": f"2 x {collection.hnsw_m} links of 4 bytes a point, and {BYTES_OF_IDS} bytes of ids",
        "not counted": "people's time, a spare machine, what Qdrant runs on, traffic between places",
    }


def _size(count: float) -> str:
    return decimal(round(count))
