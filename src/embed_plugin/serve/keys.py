"""The keys of a service: read once, kept as digests, compared in constant time, never logged."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError, RecordError, ServiceError
from embed_plugin.lines import read_text_lines

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LEAST_CHARACTERS = 16
_SCHEME = b"bearer "


class Keys:
    """Keys that clients send as ``Authorization: Bearer KEY``; without any key every request is admitted."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        found = {key.strip() for key in keys} - {""}
        if any(len(key) < LEAST_CHARACTERS for key in found):
            example = "python -c 'import secrets; print(secrets.token_urlsafe())'"
            raise InvalidInputError(f"a key has fewer than {LEAST_CHARACTERS} characters: make one with  {example}")
        self._digests = [_digest(key.encode()) for key in sorted(found)]
        self._source: tuple[Path | None, str | None] = (None, None)

    @classmethod
    def read(cls, file: Path | None, *, more: str | None = None) -> Keys:
        """Read keys: of a file, one a line, without lines that begin with #; and ``more``, separated by commas.

        Raises:
            ServiceError: the file cannot be read.
            InvalidInputError: it holds no key, or a key is too short.
        """
        keys = (more or "").split(",")
        if file is not None:
            try:
                with file.open("rb") as stream:
                    lines = [line.text.strip() for line in read_text_lines(stream, str(file))]
            except (OSError, RecordError) as error:
                raise ServiceError(f"the keys in {file} cannot be read ({error})") from error
            in_file = [line for line in lines if line and not line.startswith("#")]
            if not in_file:
                raise InvalidInputError(f"{file} holds no key; expected one a line")
            keys += in_file
        made = cls(keys)
        made._source = (file, more)
        return made

    def reload(self) -> None:
        """Read the file again. Where it is bad, the keys stay as they are.

        Raises:
            ServiceError: the file cannot be read.
            InvalidInputError: it holds no key, or a key is too short.
        """
        file, more = self._source
        if file is not None:
            self._digests = Keys.read(file, more=more)._digests

    def __bool__(self) -> bool:
        return bool(self._digests)

    def allow(self, authorization: bytes) -> bool:
        """Return whether a request with this Authorization header, empty if it has none, is admitted."""
        if not self._digests:
            return True
        is_bearer = authorization[: len(_SCHEME)].lower() == _SCHEME
        presented = _digest(authorization[len(_SCHEME) :].strip())
        # Compares every key, also after a match, so that the time tells nothing.
        matches = [hmac.compare_digest(presented, digest) for digest in self._digests]
        return is_bearer and any(matches)


def _digest(key: bytes) -> bytes:
    """Hash a key to a fixed length, so that the comparison does not reveal the key's length."""
    return hashlib.sha256(key).digest()
