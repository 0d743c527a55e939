"""Print the most that one core of this machine can multiply: int8, fp32, and int8 with AMX where the CPU has it.

Run:  .venv/bin/python benchmarks/run/silicon.py
"""

from __future__ import annotations

import _path  # noqa: F401 - puts benchmarks/ on the path
from lib.silicon import cpu_name, measure_silicon


def main() -> None:
    """Print the two rates."""
    silicon = measure_silicon()
    if silicon.int8_rate is None or silicon.fp32_rate is None:
        print(f"not measured: {silicon.reason}")
    else:
        amx = f", int8 with AMX {silicon.amx_rate / 1e9:.0f} GOPS" if silicon.amx_rate else ""
        rates = f"int8 {silicon.int8_rate / 1e9:.0f} GOPS, fp32 {silicon.fp32_rate / 1e9:.0f} GFLOPS"
        print(f"{cpu_name()}: {rates} a core{amx}")


if __name__ == "__main__":
    main()
