"""The command line: an ``EmbedPluginError`` becomes one line on stderr, any other exception keeps its traceback."""

from __future__ import annotations

import sys
from io import TextIOWrapper

from embed_plugin.cli.printable import say
from embed_plugin.errors import EmbedPluginError
from embed_plugin.extras import import_part

FAILED = 1
REJECTED = 3
"""Exit code of a finished run with rejected records."""

INTERRUPTED = 130
"""128 + SIGINT, the convention of shells."""


def main() -> None:
    """Run ``embed-plugin``.

    Exit codes: 0 done, 1 failed with a message, 2 wrong usage, 3 done but some records were rejected, 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no UTF-8
    try:
        import_part("embed_plugin.cli.app", extra="cli").run()
    except EmbedPluginError as error:
        say(error)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
