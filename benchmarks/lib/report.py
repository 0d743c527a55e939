"""The results as a Markdown page. Reads nothing but what `results.json` holds."""

from __future__ import annotations

import statistics
from typing import Any

from contenders import OURS, STATIC
from lib.tables import EMPTY, figure, rate, spread, table


def report(results: dict[str, Any]) -> str:
    """The whole page."""
    parts = ["# embed-plugin beside other libraries", machine(results)]
    for model in results["models"].values():
        parts += [f"## {model['label']}", *(throughput(model, name) for name in model["workloads"])]
        parts += [latency(model), starts(model), scaling(model), failures(model)]
        parts += [lengths(model), counts(model), quality(model)]
    parts += [memory(results), versions(results)]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def machine(results: dict[str, Any]) -> str:
    """The machine, the texts and the day."""
    facts, silicon = results["machine"], results["silicon"]
    lines = [
        f"{facts['cpu']}; {facts['threads']} threads for everyone; {facts['system']}; {facts['date']}.",
        f"Texts: {results['texts']}. Token limit 512 for everyone.",
        f"{results['rounds']} rounds, in which the contenders take turns: medians, with the least and most of them.",
    ]
    if silicon["int8_rate"]:
        rates = f"int8 {silicon['int8_rate'] / 1e9:.0f} GOPS, fp32 {silicon['fp32_rate'] / 1e9:.0f} GFLOPS"
        seen = ", ".join(f"{each / 1e9:.0f}" for each in silicon["int8_rates"])
        lines.append(f"Peak of one core: {rates} (AVX-512; int8 measured over the run: {seen}).")
        if silicon.get("amx_rate"):
            amx = f"int8 with AMX {silicon['amx_rate'] / 1e9:.0f} GOPS"
            lines.append(f"{amx}; shares of the ceiling are of AVX-512's, which AMX can pass.")
    else:
        lines.append(f"Peak of one core: not known ({silicon['reason']}).")
    return "\n".join(lines)


def throughput(model: dict[str, Any], name: str) -> str:
    """One workload: texts a second."""
    workload = model["workloads"][name]
    count, ours = workload["texts"], _median_rate(model, OURS, name)
    rows = []
    for contender in _by_rate(model, name):
        figures = model["contenders"][contender]["workloads"][name]
        speed = rate(count, figures["seconds"])
        cores = None  # unknown where a contender starts processes
        if figures["settings"].get("processes", 1) == 1:
            cores = sum(figures["cpu_seconds"]) / sum(figures["seconds"])
        rows.append(
            [
                model["contenders"][contender]["label"],
                figure(speed),
                spread(count, figures["seconds"]),
                f"{workload['tokens'] * speed / count:.0f}",
                f"{ours / speed:.2f}" if ours else EMPTY,
                f"{100 * speed / workload['ceiling']:.0f} %" if workload["ceiling"] and contender != STATIC else EMPTY,
                _cosine(figures["cosine_mean"]),
                _cosine(figures["cosine_least"]),
                figure(cores, 2),
                settings(figures["settings"]),
            ]
        )
    head = "|texts/s|spread|tokens/s|ours is x times|of the ceiling|cosine to fp32: mean|least|cores used|tuned to"
    ceiling = f", ceiling {figure(workload['ceiling'])} texts/s" if workload["ceiling"] else ""
    title = f"### {name}: {workload['label']}\n\n{count} texts, {workload['tokens']} tokens{ceiling}.\n\n"
    return title + table(head.split("|"), rows)


def latency(model: dict[str, Any]) -> str:
    """One query."""
    rows = [
        [each["label"], f"{row['p50']:.2f}", f"{row['p99']:.2f}", f"{row['longest']:.2f}", settings(row["settings"])]
        for each in model["contenders"].values()
        if (row := each.get("latency"))
    ]
    head = ("", "p50 ms", "p99 ms", "longest ms", "tuned to")
    return f"### One query of 12 tokens, contender idle\n\n{table(head, rows)}" if rows else ""


def starts(model: dict[str, Any]) -> str:
    """Start and memory."""
    rows = []
    for each in model["contenders"].values():
        if row := each.get("start"):
            seconds = [f"{statistics.median(row[key]):.2f}" for key in ("seconds", "import_seconds")]
            sizes = [f"{statistics.median(row[key]) / 2**20:.0f}" for key in ("loaded_bytes", "peak_bytes")]
            rows.append([each["label"], *seconds, *sizes])
    head = ("", "first vector after s", "of it import s", "peak MiB when loaded", "peak MiB after B")
    return f"### Start and memory\n\n{table(head, rows)}" if rows else ""


def scaling(model: dict[str, Any]) -> str:
    """One worker against all."""
    found = model.get("scaling")
    rows = []
    for name, seconds in (found or {"workloads": {}})["workloads"].items():
        count = model["workloads"][name]["texts"]
        if not seconds["one"] or not seconds["all"]:
            continue
        ratios = [one / every for one, every in zip(seconds["one"], seconds["all"], strict=True)]
        one, every = (figure(rate(count, seconds[key])) for key in ("one", "all"))
        rows.append([name, one, every, f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f}-{max(ratios):.2f}"])
    if not found or not rows:
        return ""
    head = ("workload", "1 worker, texts/s", f"all workers ({found['workers']}), texts/s", "ratio", "spread")
    return f"### embed-plugin over workers\n\n{table(head, rows)}"


def lengths(model: dict[str, Any]) -> str:
    """Tokens a second over text length."""
    points = model.get("lengths") or {}
    names = [name for name in model["contenders"] if any(point["seconds"].get(name) for point in points.values())]
    rows = [[length, *(_tokens(point, name) for name in names)] for length, point in points.items()]
    head = ("tokens of each text", *(model["contenders"][name]["label"] for name in names))
    title = "### Texts of one length: tokens/s, tuned for each length"
    return f"{title}\n\n{table(head, rows)}" if rows else ""


def counts(model: dict[str, Any]) -> str:
    """Microseconds per token over the number of texts."""
    points = model.get("counts") or {}
    rows = []
    for count, point in points.items():
        for name, seconds in point["seconds"].items():
            micros = [1e6 * each / point["tokens"] for each in seconds]
            ends = f"{min(micros):.1f}-{max(micros):.1f}"
            rows.append([count, model["contenders"][name]["label"], f"{statistics.median(micros):.1f}", ends])
    title = "### More and more texts like A"
    return f"{title}\n\n{table(('texts', '', 'µs per token', 'spread'), rows)}" if rows else ""


def quality(model: dict[str, Any]) -> str:
    """Retrieval quality on SciFact."""
    rows = [
        [model["contenders"][name]["label"], f"{ndcg:.2f}", _speed(model, name, "B")]
        for name, ndcg in (model.get("quality") or {}).items()
    ]
    head = ("", "nDCG@10", "texts/s on B")
    return f"### Quality: SciFact, 512 tokens\n\n{table(head, rows)}" if rows else ""


def failures(model: dict[str, Any]) -> str:
    """The contenders that failed, with the reason."""
    rows = [
        [each["label"], each["failed"].replace("|", "/")] for each in model["contenders"].values() if each["failed"]
    ]
    return f"### Did not take part\n\n{table(('', 'reason'), rows)}" if rows else ""


def memory(results: dict[str, Any]) -> str:
    """The stream's memory, in one sentence."""
    found = results.get("memory")
    if not found:
        return ""
    sizes = [sample["resident_bytes"] / 2**20 for sample in found["samples"]]
    half = len(sizes) // 2
    return (
        f"## Memory of a stream\n\n{found['texts']} texts through `stream_documents`: {sizes[0]:.0f} MiB before the"
        f" first, at most {max(sizes[:half]):.0f} in the first half, {max(sizes[half:]):.0f} in the second;"
        f" peak {found['peak_bytes'] / 2**20:.0f} MiB."
    )


def versions(results: dict[str, Any]) -> str:
    """Versions of what was measured."""
    rows = [[label, text] for label, text in results["versions"].items()]
    return f"## Versions\n\n{table(('', 'packages'), rows)}" if rows else ""


def settings(chosen: dict[str, Any]) -> str:
    """Settings as words."""
    return ", ".join(f"{name} {value}" for name, value in chosen.items()) or "defaults"


def _by_rate(model: dict[str, Any], name: str) -> list[str]:
    """The contenders that finished a workload, the fastest first."""
    speeds = {contender: _median_rate(model, contender, name) for contender in model["contenders"]}
    return sorted((each for each, speed in speeds.items() if speed), key=lambda each: -(speeds[each] or 0))


def _median_rate(model: dict[str, Any], contender: str, name: str) -> float | None:
    figures = model["contenders"].get(contender, {}).get("workloads", {}).get(name)
    return rate(model["workloads"][name]["texts"], figures["seconds"]) if figures and figures["seconds"] else None


def _speed(model: dict[str, Any], contender: str, name: str) -> str:
    return figure(_median_rate(model, contender, name))


def _tokens(point: dict[str, Any], contender: str) -> str:
    seconds = point["seconds"].get(contender)
    return f"{rate(point['tokens'], seconds):.0f}" if seconds else EMPTY


def _cosine(value: float | None) -> str:
    return EMPTY if value is None else f"{value:.4f}"
