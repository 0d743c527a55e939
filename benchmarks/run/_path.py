"""Put benchmarks/ on Python's path, so that a script in this folder finds lib/, sections/ and contenders/."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
