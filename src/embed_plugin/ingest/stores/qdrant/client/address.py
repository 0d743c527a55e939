"""The address of a Qdrant server: what its URL says, and the proxy on the way to it. No part of it is secret."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from embed_plugin.errors import InvalidInputError

DEFAULT_PORT = 6333
"""The port of a URL that names none, ``https://`` included: qdrant-client's rule."""

_KEY_BELONGS = "Give an API key with --api-key or in QDRANT_API_KEY; it is never read from the URL"


class Proxy(NamedTuple):
    """A proxy that the environment names.

    Attributes:
        variable: The environment variable.
        url: Its URL, with the user and the password.
        shown: Its URL without them, for messages.
    """

    variable: str
    url: str
    shown: str

    @property
    def named(self) -> str:
        """It in a message."""
        return f"the proxy {self.shown} (from {self.variable})"


@dataclass(frozen=True)
class ServerAddress:
    """The address of a server.

    Attributes:
        given: The URL as it was given.
        scheme: ``http`` or ``https``.
        host: Without the brackets of IPv6.
        port: ``DEFAULT_PORT`` if the URL names none.
        path: The path that Qdrant is served under behind a reverse proxy; usually empty.
        names_port: Whether the URL names the port.
    """

    given: str
    scheme: str
    host: str
    port: int
    path: str
    names_port: bool

    @property
    def url(self) -> str:
        """The URL, with its port."""
        return f"{self.scheme}://{_bracketed(self.host)}:{self.port}{self.path}"

    @property
    def is_loopback(self) -> bool:
        """True if what is sent there stays on this machine."""
        return _is_loopback(self.host)

    def proxy(self) -> Proxy | None:
        """The proxy that the environment names for this server; None if it names none, or NO_PROXY has the host."""
        proxies = getproxies()
        found = next((one for one in (self.scheme, "all") if proxies.get(one)), None)
        names = (self.host, f"{_bracketed(self.host)}:{self.port}")
        if found is None or any(proxy_bypass(name) for name in names):
            return None
        url = proxies[found] if "://" in proxies[found] else f"http://{proxies[found]}"
        variable = next((name for name in os.environ if name.lower() == f"{found}_proxy"), "the system's settings")
        return Proxy(variable, url, _shown(url))

    def exposes_key(self) -> bool:
        """Return whether a key that is sent there can be read on the way."""
        proxy = self.proxy()
        on_this_machine = self.is_loopback and (proxy is None or _is_loopback(urlsplit(proxy.shown).hostname or ""))
        return self.scheme == "http" and not on_this_machine


def address_of(url: str) -> ServerAddress:
    """Read a server's URL.

    Raises:
        InvalidInputError: it cannot be read, or has a user, a password, a query or a fragment. The message shows none
            of them.
    """
    if "@" in url:  # no part of it is shown: a password may have any character in it
        scheme = url.partition(":")[0]
        raise InvalidInputError(
            f"target {scheme}://...: the URL has a user or a password, and Qdrant none. {_KEY_BELONGS}"
        )
    if "?" in url or "#" in url:
        shown = re.split(r"[?#]", url, maxsplit=1)[0]
        raise InvalidInputError(f"target {shown}: leave out the URL's part from ? or # on. {_KEY_BELONGS}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit("//"), None
    if not parts.hostname or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise InvalidInputError(f"target {url!r}: expected a URL such as http://localhost:{DEFAULT_PORT}")
    path = parts.path.rstrip("/")
    return ServerAddress(url, parts.scheme, parts.hostname, port or DEFAULT_PORT, path, names_port=port is not None)


def _shown(url: str) -> str:
    """A proxy's URL without user and password."""
    scheme, _, rest = url.partition("://")
    kept = re.split(r"[?#]", rest.rpartition("@")[2], maxsplit=1)[0]
    return f"{scheme}://{kept}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
