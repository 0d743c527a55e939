"""Read the lines of a file that are not blank, each with its place for messages."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

from embed_plugin.errors import RecordError
from embed_plugin.lines import read_text_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from embed_plugin.lines import TextLine


def read_lines(path: Path) -> Iterator[TextLine]:
    """Yield every line that is not blank, without its line break; a name that ends in ``.gz`` is unpacked.

    Raises:
        RecordError: the file cannot be opened or unpacked, or a line is not UTF-8 or what the byte order mark says.
    """
    try:
        with _open(path) as file:
            yield from (line for line in read_text_lines(file, str(path)) if line.text and not line.text.isspace())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise RecordError(f"{path} cannot be unpacked ({error}): download it again") from error
    except OSError as error:
        raise RecordError(f"{path} cannot be read ({error}): check the path and its permissions") from error


def _open(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
