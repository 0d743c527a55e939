"""Read files in the parser process; one that fails there is rejected, and the next is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.formats.registry import FORMATS
from embed_plugin.ingest.read.parsing.child import Child
from embed_plugin.ingest.read.parsing.messages import item_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from embed_plugin.ingest.read.parsing.messages import Message
    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import JSON, Record, Rejected


class FileParser:
    """Reads files in a child process, which is started with the first file and reused until one fails in it.

    A file is read whole or rejected: no part of one that fails is passed on.

    Args:
        settings: How files are read, and the limits.
    """

    def __init__(self, settings: ReaderSettings) -> None:
        self._settings = settings
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """The id of the child process; None if there is none."""
        return None if self._child is None else self._child.pid

    def read(self, file: SourceFile) -> list[Record | Rejected]:
        """Read the records of a file, or reject it.

        A process that has read other files may have ended or run out of memory because of those: a failure in it is
        tried again in a new one, so that the result depends on this file alone.
        """
        is_new = self._child is None or self._child.files == 0
        found = self._try(file)
        if isinstance(found, _Failed) and found.may_be_of_others and not is_new:
            found = self._try(file)
        if isinstance(found, _Failed):
            source_id = file.name if FORMATS[file.format].whole else None
            return [file.rejected(f"{file.path}: {found.reason}", source_id=source_id)]
        return found

    def close(self) -> None:
        """End the child process; the next file starts another."""
        if self._child is not None:
            child, self._child = self._child, None
            child.end()

    def _try(self, file: SourceFile) -> list[Record | Rejected] | _Failed:
        child = self._child = self._child or Child(self._settings)
        request: Message = {"path": str(file.path), "name": file.name, "format": file.format}
        try:
            reply = child.ask(request)
            if isinstance(reply, dict) and "items" in reply:
                return [item_of(item) for item in cast("Iterable[Mapping[str, JSON]]", reply["items"])]
        except (RecordError, KeyError, TypeError) as error:
            self.close()
            return _Failed(f"cannot be read as {file.format} ({error}). Repair it, or convert it")
        except BaseException:  # Ctrl-C: the reply would be taken for that of the next request
            self.close()
            raise
        if isinstance(reply, dict) and reply.get("failed") == "damaged":
            problem = f"cannot be read as {file.format} ({reply.get('problem')})"
            return _Failed(f"{problem}. Open it in its program and save it anew, or leave it out with --exclude")
        self._child = None
        return self._failure("memory" if isinstance(reply, dict) else reply, child.end())

    def _failure(self, kind: str, exit_code: int) -> _Failed:
        megabytes = f"{self._settings.max_parse_bytes / 2**20:,.0f} MB"
        if kind == "time":
            took = f"reading it took longer than {self._settings.max_parse_seconds:g} seconds"
            return _Failed(f"{took}. Allow more with --max-parse-seconds, or leave it out with --exclude")
        if kind == "ended":
            ended = f"its parser ended (exit code {exit_code}), perhaps because it needed more than {megabytes}"
            return _Failed(
                f"{ended}. Repair the file, allow more with --max-parse-mb, or leave it out with --exclude",
                may_be_of_others=True,
            )
        what = "its text is longer than" if kind == "size" else "reading it needs more than"
        return _Failed(
            f"{what} {megabytes}. Allow more with --max-parse-mb, or leave it out with --exclude", may_be_of_others=True
        )


class _Failed:
    """The failure of a file.

    Attributes:
        reason: What was found and what to do.
        may_be_of_others: Whether files that the process has read before may be the reason.
    """

    def __init__(self, reason: str, *, may_be_of_others: bool = False) -> None:
        self.reason = reason
        self.may_be_of_others = may_be_of_others
