"""Read the lines of a file that are not blank, each with its place for messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.errors import RecordError
from embed_plugin.lines import read_text_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from embed_plugin.lines import TextLine


def read_lines(path: Path) -> Iterator[TextLine]:
    """Yield every line that is not blank, without its line break.

    Raises:
        RecordError: the file cannot be opened, or a line is not UTF-8 or what the byte order mark says.
    """
    try:
        with path.open("rb") as file:
            yield from (line for line in read_text_lines(file, str(path)) if line.text and not line.text.isspace())
    except OSError as error:
        raise RecordError(f"{path} cannot be read ({error}): check the path and its permissions") from error
