"""The process of one contender: reads requests, a JSON object a line, on stdin, and answers on stdout.

Run by `process.py`:  python -m contenders.child FAMILY
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from contenders.engine import Setup

if TYPE_CHECKING:
    from collections.abc import Callable

    from contenders.engine import Engine, Family, Settings

FINALISTS = 3
WARM_UP_TEXTS = 8


class Child:
    """Carries out requests; each method that is a request returns the answer."""

    def __init__(self, family: str) -> None:
        self.family_name = family
        self.family: Family | None = None
        self.engine: Engine | None = None
        self.setup: Setup | None = None
        self.texts: dict[str, list[str]] = {}
        self.requests: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "prepare": self.prepare,
            "load": self.load,
            "use": self.use,
            "tune": self.tune,
            "encode": self.encode,
            "latency": self.latency,
            "memory": self.memory,
        }

    def prepare(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Make the contender's model; ``texts`` names a file to calibrate with."""
        family, setup = self._begin(asked)
        family.prepare(setup, self._read(asked["texts"]))
        return {}

    def load(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Import, load, encode one text; the seconds of the import, and of all."""
        started = time.perf_counter()
        family, setup = self._begin(asked)
        imported = time.perf_counter()
        self.engine = family.load(setup)
        self.engine.use(asked.get("settings") or self.engine.candidates()[0])
        self.engine.encode([asked["text"]])
        ended = time.perf_counter()
        versions = {package: version(package) for package in family.PACKAGES}
        return {"import_seconds": imported - started, "seconds": ended - started, "versions": versions}

    def use(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Take settings that an earlier tuning found."""
        self._loaded().use(asked["settings"])
        return {}

    def tune(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Keep the fastest settings on some texts: each is tried once, the best three twice more."""
        engine, texts = self._loaded(), self._read(asked["texts"])[: asked["count"]]
        tried = [(self._seconds(settings, texts, asked["repeats"]), settings) for settings in engine.candidates()]
        tried.sort(key=lambda pair: pair[0])
        best = tried[0][1]
        if len(tried) > 1:
            again = [
                (self._seconds(settings, texts, 2 * asked["repeats"]), settings) for _, settings in tried[:FINALISTS]
            ]
            best = min(again, key=lambda pair: pair[0])[1]
        engine.use(best)
        return {"settings": best, "tried": [[settings, seconds] for seconds, settings in tried]}

    def encode(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Encode a file of texts; wall and CPU seconds. ``save`` names a .npy file for the vectors."""
        engine, texts = self._loaded(), self._read(asked["texts"])
        cpu, started = time.process_time(), time.perf_counter()
        vectors = engine.encode(texts)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
        if asked.get("save"):
            import numpy as np  # noqa: PLC0415 - importing it belongs to the library's start, which is timed

            np.save(asked["save"], vectors)
        return {"seconds": seconds, "cpu_seconds": cpu_seconds}

    def latency(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Milliseconds of each of ``count`` encodings of one text, with a pause between."""
        engine, text, milliseconds = self._loaded(), asked["text"], []
        for _ in range(asked["count"]):
            started = time.perf_counter()
            engine.encode([text])
            milliseconds.append(1000 * (time.perf_counter() - started))
            time.sleep(asked["pause_seconds"])
        return {"milliseconds": milliseconds}

    def memory(self, _: dict[str, Any]) -> dict[str, Any]:
        """Peak resident bytes of this process so far."""
        return {"peak_bytes": peak_resident_bytes()}

    def _begin(self, asked: dict[str, Any]) -> tuple[Family, Setup]:
        self.family = cast("Family", importlib.import_module(f"contenders.{self.family_name}"))
        checkpoint, work = Path(asked["checkpoint"]), Path(asked["work"])
        self.setup = Setup(asked["variant"], checkpoint, work, asked["threads"])
        return self.family, self.setup

    def _loaded(self) -> Engine:
        if self.engine is None:
            raise RuntimeError("asked to encode before load")
        return self.engine

    def _read(self, path: str) -> list[str]:
        if path not in self.texts:
            self.texts[path] = json.loads(Path(path).read_text(encoding="utf-8"))
        return self.texts[path]

    def _seconds(self, settings: Settings, texts: list[str], repeats: int) -> float:
        """Median wall seconds with some settings, after a warm-up."""
        engine = self._loaded()
        engine.use(settings)
        engine.encode(texts[:WARM_UP_TEXTS])
        seconds = []
        for _ in range(repeats):
            started = time.perf_counter()
            engine.encode(texts)
            seconds.append(time.perf_counter() - started)
        return statistics.median(seconds)


def peak_resident_bytes() -> int:
    """``VmHWM``; getrusage's figure would include the parent's memory from before this program was started."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError("/proc/self/status has no VmHWM")


def answers_channel() -> TextIO:
    """The real stdout for answers alone; whatever libraries print goes to stderr."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return channel


def main() -> None:
    """Answer requests until stdin ends; an error is an answer too."""
    channel, child = answers_channel(), Child(sys.argv[1])
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = child.requests[asked["do"]](asked)
        except Exception as error:  # noqa: BLE001 - whatever a library raises becomes the reason in its row
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=channel, flush=True)


if __name__ == "__main__":
    main()
