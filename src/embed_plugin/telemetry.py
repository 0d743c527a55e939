"""Switches onnxruntime's telemetry off. Whatever is imported of this package loads this module first.

onnxruntime's official builds report their use to Microsoft from release 1.29 on, and read one environment variable when
they are loaded. It is set here though nothing else is done at import, for later is too late.
docs/reference/privacy.md has the details.
"""

from __future__ import annotations

import os
import sys

VARIABLE = "ORT_DISABLE_TELEMETRY"

LOADED_BEFORE = "onnxruntime" in sys.modules and VARIABLE not in os.environ
"""True where the program had loaded onnxruntime already, with its telemetry as it comes."""

DISABLED = os.environ.setdefault(VARIABLE, "1") == "1"
"""False where the user has set the variable to something else, which is left alone."""
