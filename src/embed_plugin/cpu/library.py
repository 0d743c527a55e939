"""The file of the own kernels (:mod:`embed_plugin.kernels`), and the features of this CPU as it finds them."""

from __future__ import annotations

import ctypes
import sys
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARY = Path(__file__).parents[1] / "kernels" / ("kernels.dll" if sys.platform == "win32" else "kernels.so")


def library_flags(library: Path) -> set[str]:
    """Return the features that a library of own kernels finds, by Linux's names.

    The set is empty if there is no such file, if it cannot be loaded, or if it is of a version that does not tell.
    """
    try:
        feature = ctypes.CDLL(str(library)).embed_plugin_cpu_feature
    except (OSError, AttributeError):
        return set()
    feature.restype = ctypes.c_char_p
    names: Iterator[bytes] = takewhile(lambda name: name is not None, map(feature, count()))
    return {name.decode("ascii") for name in names if name}
