"""Settings of a service: its address, limits and deadlines."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from embed_plugin.errors import InvalidInputError

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK = ("127.0.0.0/8", "::1")


@dataclass(frozen=True)
class ServeSettings:
    """Settings of a service. None of them changes a vector.

    Attributes:
        host: Address to listen on; ``::`` takes both families.
        port: Port to listen on; 0 takes a free one and logs it.
        model_names: The models' names in requests and responses, in the order of the models; none: their sources.
        queue_tokens: Most tokens that wait in the bulk lane, and a tenth of them in the interactive lane; None: as many
            as this machine encodes in ten seconds at the speed measured lately, and at least 20,480.
        texts: Most texts of one request.
        text_characters: Most characters of one text.
        body_bytes: Most bytes of one request's body.
        on_long: Handling of a text above the model's token limit where the request does not choose.
        deadline_seconds: Time limit of a request, after which it gets 504; the request's own Embed-Deadline-Ms may be
            shorter.
        receive_seconds: Time limit of receiving a request's head, and again of receiving its body.
        drain_delay_seconds: Time after SIGTERM in which the service is not ready, and still serves.
        drain_seconds: Time after that for the admitted requests to complete; then they are cut off.
        connections: Most concurrent connections; one more gets 503.
        public_without_key: Listen on other addresses than loopback without any key.
        root_path: Path under which a proxy shows the service, such as ``/embeddings``.
        proxy_headers: Believe the X-Forwarded-For and X-Forwarded-Proto of trusted proxies.
        trusted_proxies: Addresses and networks of proxies; none: loopback with ``proxy_headers``, else none.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    model_names: tuple[str, ...] = ()
    queue_tokens: int | None = None
    texts: int = 2048
    text_characters: int = 200_000
    body_bytes: int = 8 * 2**20
    on_long: Literal["truncate", "error"] = "truncate"
    deadline_seconds: float = 120.0
    receive_seconds: float = 20.0
    drain_delay_seconds: float = 5.0
    drain_seconds: float = 30.0
    connections: int = 1000
    public_without_key: bool = False
    root_path: str = ""
    proxy_headers: bool = False
    trusted_proxies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Validate, naming the field in the error."""
        for name in ("texts", "text_characters", "body_bytes", "connections"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"{name} is {getattr(self, name)}; expected at least 1")
        for name in ("deadline_seconds", "receive_seconds", "drain_seconds"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidInputError(f"{name} is {getattr(self, name)}; expected more than 0")
        if not 0 <= self.drain_delay_seconds < math.inf:
            raise InvalidInputError(f"drain_delay_seconds is {self.drain_delay_seconds}; expected at least 0")
        if self.queue_tokens is not None and self.queue_tokens < 1:
            raise InvalidInputError(f"queue_tokens is {self.queue_tokens}; expected at least 1")
        if self.on_long not in ("truncate", "error"):
            raise InvalidInputError(f"on_long is {self.on_long!r}; expected 'truncate' or 'error'")
        self._check_proxies()

    def _check_proxies(self) -> None:
        if not re.fullmatch(r"(/[\w.~-]+)*", self.root_path, re.ASCII):
            raise InvalidInputError(f"root_path is {self.root_path!r}; expected a path such as /embeddings")
        _ = self.proxy_networks

    @property
    def address(self) -> str:
        """The host as the system takes it: an IPv6 address without the brackets that it has in a URL."""
        return self.host[1:-1] if self.host.startswith("[") and self.host.endswith("]") else self.host

    @property
    def is_public(self) -> bool:
        """True where other machines can connect."""
        if self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.address).is_loopback
        except ValueError:
            return True

    @cached_property
    def proxy_networks(self) -> tuple[Network, ...]:
        """The networks of trusted proxies."""
        named = self.trusted_proxies or (LOOPBACK if self.proxy_headers else ())
        try:
            return tuple(ipaddress.ip_network(each) for each in named)
        except ValueError as error:
            raise InvalidInputError(
                f"trusted_proxies: {error}; expected addresses or networks, such as 10.0.0.7 or 10.0.0.0/8"
            ) from error

    def trusts(self, host: str) -> bool:
        """Return whether an address is that of a trusted proxy."""
        if not self.proxy_networks:
            return False
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self.proxy_networks)
