"""A contender in a process of its own, seen from the benchmark."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contenders import Contender

BENCHMARKS = Path(__file__).resolve().parents[1]


class ContenderError(Exception):
    """A contender could not carry out a request; the message is the reason in its row."""


@dataclass(frozen=True)
class Place:
    """The environment and folders that a contender runs with.

    Attributes:
        python: The interpreter of its environment.
        checkpoint: The checkpoint folder.
        work: Where prepared models of the checkpoint are kept.
        logs: A folder; what the process prints goes into a file there.
        threads: Threads it may compute with.
        source: A folder that comes first on Python's path; None: none.
    """

    python: str
    checkpoint: Path
    work: Path
    logs: Path
    threads: int
    source: Path | None = None


class ContenderProcess:
    """Starts the process, sends it requests, and lets it compute only during a request.

    Between two requests the process is stopped (SIGSTOP), so that threads that spin while they wait take no time from
    the contender whose turn it is.
    """

    def __init__(self, contender: Contender, place: Place) -> None:
        self.contender = contender
        self.place = place
        self._log_path = place.logs / f"{contender.name}-{place.work.name}.log"
        self._log = self._log_path.open("a", encoding="utf-8")
        self._process = subprocess.Popen(  # noqa: S603 - this project's own program, no shell
            [place.python, "-m", "contenders.child", contender.family],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=BENCHMARKS,
            env=_environment(place),
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, do: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Raises:
            ContenderError: the contender answered with an error, or its process ended.
        """
        place = self.place
        request = {
            "do": do,
            "variant": self.contender.variant,
            "checkpoint": str(place.checkpoint),
            "work": str(place.work),
            "threads": place.threads,
            **(arguments or {}),
        }
        line = self._exchange(json.dumps(request) + "\n")
        if not line:
            raise ContenderError(f"its process ended with exit code {self._process.wait()}; see {self._log_path.name}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ContenderError(answer["error"])
        return answer

    def _exchange(self, line: str) -> str:
        if self._process.stdin is None or self._process.stdout is None or self._process.poll() is not None:
            return ""
        os.kill(self._process.pid, signal.SIGCONT)
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            return ""
        if answer:
            os.kill(self._process.pid, signal.SIGSTOP)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                pipe.close()


def _environment(place: Place) -> dict[str, str]:
    """As many threads as allowed for every library, no talk with a hub, and no telemetry of onnxruntime and NNCF."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), str(place.threads))
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    silent = {"ORT_DISABLE_TELEMETRY": os.environ.get("ORT_DISABLE_TELEMETRY", "1"), "NNCF_CI": "1"}
    path = [str(BENCHMARKS)] if place.source is None else [str(BENCHMARKS), str(place.source)]
    python = {"PYTHONPATH": os.pathsep.join(path), "TOKENIZERS_PARALLELISM": "true"}
    return {**os.environ, **threads, **offline, **silent, **python}
