"""Switch onnxruntime's telemetry off. The package imports this module before any other.

From release 1.29 on, onnxruntime's official builds report their use to Microsoft, unless an environment variable is set
when they are loaded. It is set at import, against the rule that imports have no effect, because later is too late. See
docs/reference/privacy.md.
"""

from __future__ import annotations

import os
import sys

VARIABLE = "ORT_DISABLE_TELEMETRY"

LOADED_BEFORE = "onnxruntime" in sys.modules and VARIABLE not in os.environ
"""True if the program loaded onnxruntime earlier, with its telemetry on."""

DISABLED = os.environ.setdefault(VARIABLE, "1") == "1"
"""False if the user has set the variable to another value, which is kept."""
