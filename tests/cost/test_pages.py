"""The figures in docs/guide/cost.md and docs/reference/sizing.md are what the formulas give."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from embed_plugin.cost import CollectionSize, Load, Machine, Traffic, month_of
from support.command_line import run

DOCS = Path(__file__).parents[2] / "docs"
COST, SIZING = ((DOCS / name).read_text("utf-8") for name in ("guide/cost.md", "reference/sizing.md"))
COMMANDS = re.findall(r"^    \$ (embed-plugin cost (?:.*\\\n)?.*)\n((?:(?:    .*)?\n)+)", COST + SIZING, re.MULTILINE)

MINILM_TOKENS_PER_SECOND = 86_567
SIZES = (10e6, 100e6, 1e9)
NODE_BYTES = 64e9


@pytest.mark.parametrize(("command", "shown"), COMMANDS)
def test_a_command_says_what_the_page_shows(command: str, shown: str) -> None:
    done = run(*command.replace("\\\n", " ").split()[1:])
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    missing = [line for line in shown.splitlines() if line.strip() not in {"", "..."} and line[4:] not in lines]
    assert len(lines) > 20
    assert missing == []


def test_there_are_commands_on_the_page() -> None:
    assert len(COMMANDS) == 3


@pytest.mark.parametrize(
    ("name", "speed"),
    [
        ("Xeon with AMX, MiniLM", 101_519),
        ("Xeon with AMX, bge shape", 55_777),
        ("EPYC, Zen 4, MiniLM", 29_800),
        ("a slow one", 5_300),
    ],
)
def test_the_machines_of_fifty_billion_tokens(name: str, speed: float) -> None:
    machine = Machine(speed, 60)
    month = month_of(Traffic(1e9, 50), machine, api_prices=(0.02,))
    planned, average, peak = machine.planned_tokens_per_second, month.average.machines, month.peak.machines
    assert f"| {name} | {speed:,} | {planned:,.0f} | {average} | {peak} | ${month.peak.per_month:,.0f} |" in COST


@pytest.mark.parametrize("count", SIZES)
def test_the_hours_and_bytes_of_a_load(count: float) -> None:
    load = Load(count, tokens_per_chunk=200, text_bytes=900, dimension=384)
    hours, machines = load.hours(MINILM_TOKENS_PER_SECOND), load.machines_for(24, tokens_per_second=86_567)
    grpc, http = load.grpc_bytes / 1e9, load.http_bytes / 1e9
    row = f"| {count:,.0f} | {hours:,.1f} | {machines} | {load.requests:,} | {grpc:,.0f} GB | {http:,.0f} GB |"
    assert row in SIZING


@pytest.mark.parametrize("count", SIZES)
def test_the_bytes_in_qdrant(count: float) -> None:
    size = CollectionSize(count, 384, text_bytes=900)
    for each in size.storage_forms():
        nodes = math.ceil(1.5 * each.memory_bytes / NODE_BYTES)
        memory, disk = each.memory_bytes / 1e9, each.disk_bytes / 1e9
        assert f"| {count:,.0f} | {each.name} | {memory:,.1f} GB | {disk:,.1f} GB | {nodes} |" in SIZING
    assert f"{size.rule_of_thumb_bytes / 1e9:,.1f} GB" in SIZING


@pytest.mark.parametrize(
    ("part", "rate"),
    [
        ("an index of random vectors, float32", 100_000 / 46.4),
        ("an index of random vectors, int8 copy", 100_000 / 15.6),
        ("an index of similar texts, float32", 40_000 / 5.1),
        ("HTTP at 1 Gbit/s", 125e6 / Load(1, 200, 900, 384).http_bytes),
        ("storing", 13_873),
        ("an index of similar texts, int8 copy", 40_000 / 2.5),
        ("gRPC at 1 Gbit/s", 125e6 / Load(1, 200, 900, 384).grpc_bytes),
        ("look-ups", 73_961),
    ],
)
def test_how_many_machines_keep_a_part_busy(part: str, rate: float) -> None:
    machines = rate / (MINILM_TOKENS_PER_SECOND / 200)
    assert re.search(rf"\| {re.escape(part)}[^|]*\| {rate:,.0f} \| {machines:,.1f} \|", SIZING)
