"""Run the kernels' tests with a library that GCC's sanitizers watch: ``make test-sanitizers``.

It works on a copy of the package, so that what is installed stays as it is. The process ends at the first read or write
out of bounds, and at the first undefined behaviour.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
FLAGS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g", "-fno-omit-frame-pointer"]
LIBRARIES = ["libasan.so", "libubsan.so", "libstdc++.so.6"]
"""Loaded before Python. The last, because the first looks for the throwing of exceptions when it is loaded."""
TESTS = [
    *("quantise", "add_norm", "norms", "product", "gate", "attention", "rule_attention", "rotate", "pool"),
    *("threads", "same_bits", "tiles", "hostile", "library"),
]
BUILD = """
import os, sys, hatch_build as build
build.FLAGS += os.environ.get("KERNELS_FLAGS", "").split()
sys.exit(build.compile_library(build.Path(sys.argv[1]), build.Path(sys.argv[2])) or 0)
"""


def main() -> int:
    """Build and test; returns pytest's status, or 0 and says why if this compiler has no sanitizers."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    with TemporaryDirectory() as folder:
        if reason := _missing(compiler, Path(folder)):
            print(f"skipped: {reason}")  # noqa: T201 - a command's output
            return 0
        return _test(compiler, Path(folder))


def _missing(compiler: list[str], folder: Path) -> str:
    """Say why no library with sanitizers can be built and loaded; empty if one can."""
    source = folder / "probe.c"
    source.write_text("int probe(int x) { return x + 1; }\n")
    command = [*compiler, *FLAGS, "-shared", "-fPIC", "-Wl,-z,defs", str(source), "-o", str(folder / "probe.so")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"no C compiler ({error})"
    if done.returncode:
        return f"{compiler[0]} has no {FLAGS[0]} for libraries ({' '.join(done.stderr.split())[:300]})"
    absent = [name for name, path in _runtimes(compiler).items() if not Path(path).is_absolute()]
    return f"{compiler[0]} has no {', '.join(absent)}" if absent else ""


def _runtimes(compiler: list[str]) -> dict[str, str]:
    """Find the libraries to load before Python; one that the compiler does not know keeps its bare name."""
    return {
        name: subprocess.run(
            [*compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in LIBRARIES
    }


def _test(compiler: list[str], folder: Path) -> int:
    package = shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    kernels = package / "embed_plugin" / "kernels"
    environment = {**os.environ, "CC": shlex.join([*compiler, *FLAGS]), "EMBED_PLUGIN_NO_KERNELS": ""}
    environment["KERNELS_FLAGS"] = "-O0"  # optimised, an instruction set with its checks takes a minute to compile
    built = subprocess.run(
        [sys.executable, "-c", BUILD, kernels, kernels / "kernels.so"], cwd=ROOT, env=environment, check=False
    )
    if built.returncode:
        return built.returncode
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(package), str(ROOT / "tests")]),
        "LD_PRELOAD": " ".join(_runtimes(compiler).values()),
        "ASAN_OPTIONS": "detect_leaks=0",  # Python frees little at its end
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    tests = [f"tests/kernels/test_{name}.py" for name in TESTS]
    options = "-q -n 0 -p no:cacheprovider --hypothesis-profile=few"
    capture = "--capture=sys"  # else the report is lost with the process
    command = [sys.executable, "-m", "pytest", *options.split(), capture, *tests]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
