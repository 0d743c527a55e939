"""Print the most that one core of this machine can multiply, by instruction set: exact int8, and fp32.

Run:  .venv/bin/python benchmarks/run/silicon.py
"""

from __future__ import annotations

import _path  # noqa: F401 - puts benchmarks/ on the path
from lib.silicon import cpu_name, measure_silicon
from lib.tables import table


def main() -> None:
    """Print a line for each instruction set."""
    silicon = measure_silicon()
    print(f"{cpu_name()}\n" if silicon.by_set else f"not measured: {silicon.reason}")
    rates = [[name, *(f"{rate / 1e9:.0f}" for rate in pair)] for name, pair in silicon.by_set.items()]
    if rates:
        print(table(["billions of operations a second, one core", "int8, exact", "fp32"], rates))


if __name__ == "__main__":
    main()
