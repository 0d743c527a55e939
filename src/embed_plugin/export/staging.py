"""Make a folder in one step: build it beside its place, then move it there."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import ExportError
from embed_plugin.model.folder import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def staged_folder(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield an empty folder to fill; it becomes ``out`` if the block ends without an error, and is removed otherwise.

    A killed process leaves a hidden ``.NAME.PID.partial`` beside ``out``, which the next export to ``out`` removes.

    Raises:
        ExportError: ``out`` exists and may not be replaced, or it cannot be written.
    """
    _check_free(out, overwrite=overwrite)
    staging = out.parent / f".{out.name}.{os.getpid()}.partial"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(out)
        staging.mkdir()
        yield staging
        _move(staging, out)
    except OSError as error:
        raise ExportError(f"{out} cannot be written ({error}); nothing was left behind") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check_free(out: Path, *, overwrite: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / MANIFEST).is_file():
        raise ExportError(f"{out} exists and is not a model folder; choose another --out")
    if not overwrite:
        raise ExportError(f"{out} is a model folder already; choose another --out, or replace it with --overwrite")


def _move(staging: Path, out: Path) -> None:
    replaced = staging.with_name(f"{staging.name}.replaced")
    if out.exists():
        out.rename(replaced)
    try:
        staging.rename(out)
    except OSError:
        if replaced.exists():
            replaced.rename(out)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def _remove_leftovers(out: Path) -> None:
    for path in out.parent.glob(f".{out.name}.*.partial"):
        process = path.name.removeprefix(f".{out.name}.").removesuffix(".partial")
        if process.isdigit() and not _is_running(int(process)):
            shutil.rmtree(path, ignore_errors=True)


def _is_running(process: int) -> bool:
    if sys.platform == "win32":
        return _is_running_on_windows(process)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_running_on_windows(process: int) -> bool:
    """Ask Windows for the process: there ``os.kill`` with 0 sends Ctrl-C."""
    synchronize, access_denied, timed_out = 0x00100000, 5, 0x102
    kernel: Any = getattr(ctypes, "WinDLL")("kernel32", use_last_error=True)  # noqa: B009 - known on Windows alone
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(synchronize, False, process)  # noqa: FBT003 - whether children inherit it
    if not handle:
        error: int = getattr(ctypes, "get_last_error")()  # noqa: B009 - known on Windows alone
        return error == access_denied
    try:
        return bool(kernel.WaitForSingleObject(ctypes.c_void_p(handle), 0) == timed_out)
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))
