"""Processes with an empty home folder, whose files and look-ups are seen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.processes import killed_on_failure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

WATCH = Path(__file__).with_name("watch.c")
DEVICE_ID = ".cache/Microsoft/DeveloperTools/.onnxruntime/deviceid"
COLLECTOR = "looked up mobile.events.data.microsoft.com"
"""The files that onnxruntime 1.29 and later write, and the name they look up, where its telemetry is on."""


CI_SERVICES = (
    *("APPVEYOR", "BITBUCKET_", "BUILDKITE", "CIRCLECI", "CODEBUILD_", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_"),
    *("SYSTEM_TEAMFOUNDATION", "TEAMCITY_", "TF_BUILD", "TRAVIS"),
)
"""Variables by which onnxruntime knows that it runs in CI, where it reports nothing; beside them, ``CI`` itself."""


class Watched:
    """An environment for processes: its home folder is empty, and every name and address they use is logged.

    Attributes:
        environment: For ``subprocess``; child processes that inherit it are watched too.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str] | None = None) -> None:
        compiler = shutil.which(os.environ.get("CC", "cc"))
        if sys.platform != "linux" or compiler is None:
            pytest.skip("needs Linux and a C compiler: look-ups are watched from a preloaded library")
        self.home, self._log = folder / "home", folder / "asked"
        self.home.mkdir(parents=True)
        library = folder / "watch.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(WATCH), "-ldl"], check=True)
        theirs = ("ORT_", "HF_", "XDG_", "RAY_", "DO_NOT_TRACK", "DISABLE_TELEMETRY", *CI_SERVICES)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
        self.environment.pop("CI", None)
        self.environment |= {"HOME": str(self.home), "LD_PRELOAD": str(library), "WATCH_LOG": str(self._log)}
        self.environment |= variables or {}

    def start(self, *arguments: str) -> AbstractContextManager[subprocess.Popen[str]]:
        """Start Python in the folder above the home folder."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=self.environment,
            cwd=self.home.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return killed_on_failure(process)

    def python(self, *arguments: str, given: str | None = None) -> str:
        """Run Python to its end, and return what it printed; a failure shows its errors."""
        with self.start(*arguments) as process:
            printed, errors = process.communicate(given)
        assert process.returncode == 0, f"{arguments}\n{errors}"
        return printed

    def errors(self, *arguments: str) -> str:
        """Run Python to its end, and return what it wrote to stderr."""
        with self.start(*arguments) as process:
            return process.communicate()[1]

    def command(self, *arguments: str, given: str | None = None) -> str:
        """Run ``embed-plugin`` to its end."""
        return self.python("-m", "embed_plugin.cli", *arguments, given=given)

    @property
    def asked(self) -> list[str]:
        """Names that were looked up, and addresses of other machines."""
        return self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []

    @property
    def files(self) -> list[str]:
        """Files in the home folder."""
        return sorted(str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file())
