"""Start the parser process, ask it, and end it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeAlias, cast

from embed_plugin.ingest.read.parsing.messages import TooLongMessageError, encode_message, read_message

if TYPE_CHECKING:
    from embed_plugin.ingest.read.parsing.messages import Message
    from embed_plugin.ingest.read.settings import ReaderSettings

Failure: TypeAlias = Literal["time", "size", "ended"]
"""The reason why there is no reply: it took too long, is too long, or the process has ended."""

_START_SECONDS = 120
"""The time for its imports, on a busy machine."""
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from embed_plugin.ingest.read.parsing.worker import main; main()"
)


class Child:
    """A parser process. It imports from where this process does, and never from the working folder.

    Attributes:
        pid: Its process id.
        files: The number of files that it was asked to read.
    """

    def __init__(self, settings: ReaderSettings) -> None:
        self.files = 0
        self._settings = settings
        places = json.dumps([place for place in sys.path if place])
        self._process = subprocess.Popen(  # noqa: S603 - this Python, and a program of this package
            [sys.executable, "-I", "-c", _START, places],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.pid = self._process.pid
        self._is_ready = False

    def ask(self, request: Message) -> Message | Failure:
        """Send a request and wait for the reply; after a failure, or an exception, the process is to be ended."""
        if not self._is_ready:
            started = self._exchange(_as_message(self._settings), _START_SECONDS)
            if not isinstance(started, dict):
                return started
            self._is_ready = True
        self.files += 1
        return self._exchange(request, self._settings.max_parse_seconds)

    def end(self) -> int:
        """Kill the process if it is still there, and return its exit code."""
        with suppress(OSError):
            self._process.kill()
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()  # what was not sent is of no use
        return code

    def _exchange(self, request: Message, seconds: float) -> Message | Failure:
        late = threading.Event()

        def kill() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(seconds, kill)
        timer.daemon = True
        timer.start()
        try:
            reply = self._send_and_receive(request)
        except TooLongMessageError:
            return "size"
        except OSError:  # its input is closed: it has ended
            reply = None
        finally:
            timer.cancel()
        if late.is_set():
            return "time"
        return "ended" if reply is None else reply

    def _send_and_receive(self, request: Message) -> Message | None:
        requests = cast("BinaryIO", self._process.stdin)
        requests.write(encode_message(request))
        requests.flush()
        return read_message(cast("BinaryIO", self._process.stdout), most_bytes=self._settings.max_parse_bytes)


def _as_message(settings: ReaderSettings) -> Message:
    return cast("Message", asdict(settings))
