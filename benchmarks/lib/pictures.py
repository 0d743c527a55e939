"""The results as pictures. Reads nothing but what `results.json` holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

from contenders import OURS, STATIC
from lib.tables import rate

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

# Letters, not their outlines; and the same figures give the same file.
mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "embed-plugin"}

OWN_COLOUR, OTHER_COLOUR = "#1b7f5c", "#b8bec6"


def draw(results: dict[str, Any], out: Path) -> list[Path]:
    """Every picture that the results have figures for; the files written."""
    drawn = []
    for name, model in results["models"].items():
        drawn.append(bars(model, out / f"throughput-{name}.svg"))
        if model.get("lengths"):
            drawn.append(length_curve(model, out / f"length-{name}.svg"))
    if results.get("memory"):
        drawn.append(memory_curve(results["memory"], out / "memory.svg"))
    return drawn


def bars(model: dict[str, Any], path: Path) -> Path:
    """Texts a second on each workload; the ceiling is a line. model2vec is left out: its bar would hide the others."""
    shown = [name for name, each in model["contenders"].items() if name != STATIC and each["workloads"]]
    size = (11, 1.4 + 0.38 * len(shown))
    canvas, places = plt.subplots(1, len(model["workloads"]), figsize=size, sharey=True, squeeze=False)
    for place, (name, workload) in zip(places[0], model["workloads"].items(), strict=True):
        _bars_of(place, model, name, shown)
        if workload["ceiling"]:
            place.axvline(workload["ceiling"], color="#c0392b", linewidth=1, linestyle="--")
            place.set_xlabel(f"texts/s (dashed: ceiling of the cores, {workload['ceiling']:.0f})")
        place.set_title(f"{name}: {workload['label']}", fontsize=9)
    canvas.suptitle(model["label"], fontsize=10)
    return _save(path)


def _bars_of(place: Axes, model: dict[str, Any], workload: str, shown: list[str]) -> None:
    labels, speeds, errors, colours = [], [], [], []
    for name in reversed(shown):
        seconds = model["contenders"][name]["workloads"].get(workload, {}).get("seconds")
        count = model["workloads"][workload]["texts"]
        speed = rate(count, seconds) if seconds else 0.0
        ends = (speed - count / max(seconds), count / min(seconds) - speed) if seconds else (0.0, 0.0)
        labels.append(model["contenders"][name]["label"])
        speeds.append(speed)
        errors.append(ends)
        colours.append(OWN_COLOUR if name.startswith(OURS) else OTHER_COLOUR)
    place.barh(labels, speeds, xerr=list(zip(*errors, strict=True)), color=colours, ecolor="#444444", capsize=2)
    for row, (speed, (_, above)) in enumerate(zip(speeds, errors, strict=True)):
        place.annotate(f"  {speed:.0f}", (speed + above, row), va="center", fontsize=8, fontweight="bold")
    place.tick_params(labelsize=8)
    place.spines[["top", "right"]].set_visible(False)


def length_curve(model: dict[str, Any], path: Path) -> Path:
    """Tokens a second over text length."""
    plt.figure(figsize=(7.5, 4.2))
    plt.gca().set_prop_cycle(color=["#d35400", "#2e6da4", "#8e44ad"])
    points = model["lengths"]
    for name, each in model["contenders"].items():
        found = [(int(length), point) for length, point in points.items() if point["seconds"].get(name)]
        if found:
            speeds = [rate(point["tokens"], point["seconds"][name]) for _, point in found]
            look = {"color": OWN_COLOUR, "linewidth": 2.5} if name == OURS else {"linewidth": 1.5}
            plt.plot([length for length, _ in found], speeds, marker="o", label=each["label"], **look)
    plt.xscale("log", base=2)
    plt.xticks([int(length) for length in points], list(points))
    plt.ylim(bottom=0)
    plt.xlabel("tokens of each text")
    plt.ylabel("tokens/s")
    plt.title(f"{model['label']}: texts of one length", fontsize=9)
    plt.grid(alpha=0.3)
    plt.legend(fontsize=8)
    return _save(path)


def memory_curve(found: dict[str, Any], path: Path) -> Path:
    """Resident memory over the texts that a stream has encoded."""
    plt.figure(figsize=(7.5, 3.2))
    texts = [sample["texts"] / 1000 for sample in found["samples"]]
    sizes = [sample["resident_bytes"] / 2**20 for sample in found["samples"]]
    plt.plot(texts, sizes, color=OWN_COLOUR, linewidth=2)
    plt.ylim(0, 1.3 * max(sizes))
    plt.xlabel("thousands of texts encoded")
    plt.ylabel("resident MiB")
    plt.title(f"embed-plugin INT8: {found['texts']:,} texts through stream_documents", fontsize=9)
    plt.grid(alpha=0.3)
    return _save(path)


def _save(path: Path) -> Path:
    plt.tight_layout()
    plt.savefig(path, metadata={"Date": None})
    plt.close()
    return path
