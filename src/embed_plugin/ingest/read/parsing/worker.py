"""The parser process: reads one file at a time as it is asked to, within limits on memory and processor time.

It ends when the run does, also if that was killed: the end of its input is read by a thread of its own.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read import formats
from embed_plugin.ingest.read.formats.registry import FORMATS
from embed_plugin.ingest.read.parsing.messages import Message, encode_message, message_of, read_message
from embed_plugin.ingest.read.settings import ReaderSettings
from embed_plugin.ingest.read.source_files import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin.ingest.records import JSON, Record, Rejected

_MOST_REQUEST_BYTES = 2**20
_SPARE_SECONDS = 5
"""Processor time beyond the limit, after which the system ends this process: the run does so before."""


class _Module(Protocol):
    def read_records(
        self, stream: BinaryIO, file: SourceFile, settings: ReaderSettings, /
    ) -> Iterator[Record | Rejected]: ...


def main() -> None:
    """Answer requests until the input ends."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())  # a parser that prints must not write among the replies
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which ends this process
    requests = SimpleQueue[Message]()
    threading.Thread(target=_receive, args=(sys.stdin.buffer, requests), daemon=True).start()
    first = requests.get()
    settings = _settings(first)
    limit_memory(settings.max_parse_bytes)
    _send(replies, encode_message({"ready": True}))
    while True:
        request = requests.get()
        _limit_processor_time(settings.max_parse_seconds)
        _send(replies, answer(request, settings))


def answer(request: Message, settings: ReaderSettings) -> bytes:
    """Read the file of a request; the reply has its records, or the failure."""
    file = SourceFile(Path(str(request["path"])), str(request["name"]), str(request["format"]))
    found = FORMATS[file.format]
    try:
        module = cast("_Module", import_module(f"{formats.__name__}.{found.module}"))
        with file.path.open("rb") as stream:
            items: list[JSON] = [message_of(item) for item in module.read_records(stream, file, settings)]
        return encode_message({"items": items})
    except RecordError as error:
        rejected = file.rejected(str(error), source_id=file.name if found.whole else None)
        return encode_message({"items": [message_of(rejected)]})
    except BaseException as error:  # noqa: BLE001 - damaged files raise anything; a panic in Rust is no Exception
        if isinstance(error, MemoryError) or _is_short_of_memory(settings.max_parse_bytes):
            return encode_message({"failed": "memory"})
        return encode_message({"failed": "damaged", "problem": _problem(error)})


def limit_memory(memory_bytes: int) -> None:
    """Limit what is allocated from now on, where the system can; a parser that crashes leaves no core file."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory_bytes, used + memory_bytes))
    except (OSError, ValueError):  # macOS has no /proc, and does not hold this limit
        return


def _is_short_of_memory(memory_bytes: int) -> bool:
    """Return whether more than half of the memory was used: libxml2 calls it an unknown error when it gets no more.

    That may have been for an earlier file. The run tries such a failure again in a new process.
    """
    try:
        import resource  # noqa: PLC0415 - not on Windows

        status = Path("/proc/self/status").read_text("ascii")
        peak = int(status.partition("VmPeak:")[2].split()[0]) * 1024
        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    except (ImportError, OSError, ValueError, IndexError):
        return False
    return limit != resource.RLIM_INFINITY and limit - peak < memory_bytes / 2


def _limit_processor_time(seconds: float) -> None:
    """Have the system end this process in a file that takes too long, should the run be gone by then."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + _SPARE_SECONDS
    with suppress(OSError, ValueError):  # a lower limit is set already
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _receive(stream: BinaryIO, requests: SimpleQueue[Message]) -> None:
    """Pass on requests, and end the process with the last one."""
    while (message := read_message(stream, most_bytes=_MOST_REQUEST_BYTES)) is not None:
        requests.put(message)
    os._exit(0)  # also in the middle of a file


def _send(stream: BinaryIO, reply: bytes) -> None:
    stream.write(reply)
    stream.flush()


def _settings(message: Message) -> ReaderSettings:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in message.items()}
    return ReaderSettings(**values)  # type: ignore[arg-type] # as the run has sent them


def _problem(error: BaseException) -> str:
    """The name and the text of an error, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:500].rstrip(": .")
