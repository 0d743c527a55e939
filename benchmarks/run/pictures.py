"""Draw the pictures of a `make bench` again, from its `results.json`.

Run:  .venv/bin/python benchmarks/run/pictures.py benchmarks/results
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import _path  # noqa: F401 - puts benchmarks/ on the path
from lib.pictures import draw


def main() -> None:
    """Draw, and print the files written."""
    folder = Path(sys.argv[1])
    for picture in draw(json.loads((folder / "results.json").read_text(encoding="utf-8")), folder):
        print(picture)


if __name__ == "__main__":
    main()
