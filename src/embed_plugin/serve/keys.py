"""The keys of a service: kept as digests, compared in constant time, never logged; a file of them can be read again."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
from typing import TYPE_CHECKING

import structlog

from embed_plugin.errors import InvalidInputError, RecordError, ServiceError
from embed_plugin.lines import read_text_lines

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LEAST_CHARACTERS = 16
KEY_HEADERS = frozenset({b"authorization", b"x-api-key", b"api-key"})
"""Headers that may hold a key: HTTP's own, and those of clients of other services."""

VARIABLE = "EMBED_PLUGIN_KEYS"
_SCHEME = b"bearer "
_COMMENT = re.compile(r"(^|\s)#.*")
LOG = structlog.get_logger("embed_plugin.serve")


class Keys:
    """Keys that clients send as ``Authorization: Bearer KEY``; without any key every request is admitted."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._file: Path | None = None
        self._others = _digests(("a key", key.strip()) for key in keys if key.strip())
        self._digests = self._others

    @classmethod
    def read(cls, file: Path | None, *, more: str | None = None) -> Keys:
        """Read keys: of a file, one a line, without what follows a #; and ``more``, separated by commas.

        Raises:
            ServiceError: the file cannot be read.
            InvalidInputError: it holds no key, ``more`` holds none, or a key is too short.
        """
        keys = cls((more or "").split(","))
        if more is not None and not keys:
            raise InvalidInputError(f"{VARIABLE} is set and holds no key; expected keys with commas between")
        if file is not None:
            keys._digests = keys._others | _read_file(file)
            keys._file = file
        return keys

    def reload(self) -> None:
        """Read the file again, if there is one. The keys change as a whole, and not at all if the file is bad.

        Raises:
            InvalidInputError: the file cannot be read or holds no key, or a key is too short.
        """
        if self._file is None:
            return
        try:
            self._digests = self._others | _read_file(self._file)
        except ServiceError as error:
            raise InvalidInputError(str(error)) from error

    def __bool__(self) -> bool:
        return bool(self._digests)

    def allow(self, authorization: bytes) -> bool:
        """Return whether a request with this Authorization header, empty if it has none, is admitted."""
        return not self._digests or self._is_key(b"authorization", authorization)

    def allow_request(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Return whether a request with these headers, their names in lower case, is admitted.

        A header sent twice opens nothing: a proxy may have checked one of the two, and this service another.
        """
        if not self._digests:
            return True
        presented = [(name, value) for name, value in headers if name in KEY_HEADERS]
        is_once = len({name for name, _ in presented}) == len(presented)
        return is_once and any(self._is_key(name, value) for name, value in presented)

    def _is_key(self, name: bytes, value: bytes) -> bool:
        is_bearer = value[: len(_SCHEME)].lower() == _SCHEME
        presented = _digest(value[len(_SCHEME) :].strip() if name == b"authorization" else value.strip())
        # Compares every key, also after a match, so that the time tells nothing.
        matches = [hmac.compare_digest(presented, digest) for digest in self._digests]
        return (is_bearer or name != b"authorization") and any(matches)


def _read_file(file: Path) -> frozenset[bytes]:
    try:
        with file.open("rb") as stream:
            lines = [(place, _COMMENT.sub("", text).strip()) for place, text in read_text_lines(stream, str(file))]
            mode = os.fstat(stream.fileno()).st_mode
    except (OSError, RecordError) as error:
        raise ServiceError(f"the keys in {file} cannot be read ({error})") from error
    digests = _digests((f"{place}: a key", key) for place, key in lines if key)
    if not digests:
        raise InvalidInputError(f"{file} holds no key; expected one a line")
    if os.name == "posix" and mode & stat.S_IROTH:
        LOG.warning("every user of this machine can read the keys: chmod 600", file=str(file))
    return digests


def _digests(keys: Iterable[tuple[str, str]]) -> frozenset[bytes]:
    """Hash keys, each with its name for messages.

    Raises:
        InvalidInputError: a key is too short, or no header can hold it.
    """
    found = set()
    for name, key in keys:
        if len(key) < LEAST_CHARACTERS:
            example = "python -c 'import secrets; print(secrets.token_urlsafe())'"
            raise InvalidInputError(f"{name} has fewer than {LEAST_CHARACTERS} characters: make one with  {example}")
        if not key.isprintable():
            raise InvalidInputError(f"{name} holds a line break or another character that no header can: remove it")
        found.add(_digest(key.encode()))
    return frozenset(found)


def _digest(key: bytes) -> bytes:
    """Hash a key to a fixed length, so that the comparison does not reveal the key's length."""
    return hashlib.sha256(key).digest()
