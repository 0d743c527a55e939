"""Names the environment variable behind an HTTP library's error: a proxy or certificate setting it cannot read."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from embed_plugin.errors import EmbedPluginError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROXY_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_PLAIN_SCHEMES = frozenset({"http", "https"})
_SOCKS_SCHEMES = frozenset({"socks5", "socks5h"})
_HOST = re.compile(r"[^\s\[\]@:/?#]*(:\d*)?([/?#].*)?", re.ASCII)
"""An entry of NO_PROXY that is no IP address: a host, or the end of one, with or without a port."""


@contextmanager
def named_network_variables() -> Iterator[None]:
    """Turn the error of an HTTP library for an unreadable environment variable into one that names the variable.

    httpx, and what is built on it, raises InvalidURL, ValueError, ImportError or OSError where it reads the variables:
    when a client is made. Wrap that call; errors that no variable explains pass unchanged.

    Raises:
        InvalidInputError: a proxy variable or ``SSL_CERT_FILE`` cannot be used; says which one, and the remedy.
    """
    try:
        yield
    except EmbedPluginError:
        raise
    except Exception:
        if problem := unreadable_network_variable():
            # Not chained: the library's message may quote a part of the proxy's password.
            raise InvalidInputError(problem) from None
        raise


def unreadable_network_variable() -> str | None:
    """Return what is wrong with the first network variable that httpx cannot read, and the remedy; None if all can be.

    A proxy's URL may hold a password, and is not repeated.
    """
    entries = [entry.strip() for entry in _value("NO_PROXY")[1].split(",")]
    if "*" not in entries:  # with it, httpx reads no proxy variable
        problems = (_proxy_problem(*_value(name)) for name in _PROXY_VARIABLES)
        found = next((problem for problem in problems if problem), None) or _no_proxy_problem(entries)
        if found:
            return found
    return unreadable_certificates()


def unreadable_certificates() -> str | None:
    """Return what is wrong with ``SSL_CERT_FILE``, and the remedy; None if it can be read, or is not set."""
    path = os.environ.get("SSL_CERT_FILE")
    try:
        ssl.create_default_context(cafile=path or None)
    except OSError as error:  # ssl.SSLError is one
        return f"SSL_CERT_FILE names {path!r}, which is not a file of certificates ({error}). Correct or unset it"
    return None


def _value(name: str) -> tuple[str, str]:
    """The spelling of a variable that counts, and its value: lower case wins, as in ``urllib.request.getproxies``."""
    spelling = name.lower() if name.lower() in os.environ else name
    return spelling, os.environ.get(spelling, "")


def _proxy_problem(name: str, value: str) -> str | None:
    if not value:
        return None
    url = value if "://" in value else f"http://{value}"
    scheme = url.partition("://")[0].lower()
    if scheme not in _PLAIN_SCHEMES | _SOCKS_SCHEMES:
        expected = "expected http://, https:// or socks5://. Correct or unset it"
        return f"{name} names a proxy with the scheme {scheme}://; {expected}"
    if not _is_url(url):
        return f"{name} is not the URL of a proxy; expected one like http://proxy:3128. Correct or unset it"
    if scheme in _SOCKS_SCHEMES and find_spec("socksio") is None:
        remedy = f"run  pip install 'httpx[socks]' , or unset {name}"
        return f"{name} names a SOCKS proxy, for which a package is missing: {remedy}"
    return None


def _no_proxy_problem(entries: list[str]) -> str | None:
    unreadable = next((entry for entry in entries if not _is_readable(entry)), None)
    if unreadable is None:
        return None
    remedy = "write an IPv6 address without brackets, as in ::1, a host by its name, and leave IPv6 networks out"
    return f"{_value('NO_PROXY')[0]} has the entry {unreadable!r}, which cannot be read: {remedy}"


def _is_readable(entry: str) -> bool:
    if "://" in entry:
        return _is_url(entry)
    try:
        ipaddress.ip_address(entry.split("/", maxsplit=1)[0] if "." in entry else entry)
    except ValueError:
        return entry.isascii() and _HOST.fullmatch(entry) is not None
    return True


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:  # not a port, an open bracket
        return False
