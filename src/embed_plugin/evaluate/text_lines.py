"""Read the lines of a UTF-8 file, each with its place for messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    r"""Yield ``("file:line", line)`` for every line that is not blank, ended by ``\n`` or ``\r\n`` and nothing else.

    Raises:
        RecordError: the file cannot be opened, or a line is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                line = _decode(raw, f"{path}:{number}").rstrip("\r\n")
                if line and not line.isspace():
                    yield f"{path}:{number}", line.removeprefix("\ufeff") if number == 1 else line
    except OSError as error:
        raise RecordError(f"{path} cannot be read ({error}): check the path and its permissions") from error


def _decode(raw: bytes, place: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(f"{place}: not UTF-8 ({error}): convert the file with iconv first") from error
