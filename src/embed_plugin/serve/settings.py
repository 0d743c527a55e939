"""What a service listens on and what it lets through."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal

from embed_plugin.errors import InvalidInputError


@dataclass(frozen=True)
class ServeSettings:
    """How a service runs. None of these changes a vector.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one and logs it.
        model_name: What requests and answers call the model; None: its source.
        queue_tokens: Tokens that may wait in the bulk lane, a tenth of them in the interactive one; None: what this
            machine encodes in ten seconds, measured when the service starts.
        texts: Texts of one request, at the most.
        text_characters: Characters of one text, at the most.
        body_bytes: Bytes of one request's body, at the most.
        on_long: What happens to a text beyond the model's token limit where the request does not say.
        deadline_seconds: A request that has no answer by then gets 504; its own Embed-Deadline-Ms may be shorter.
        receive_seconds: A request's head, and then its body, must arrive within so many seconds each.
        drain_seconds: After SIGTERM, time for the requests that were let in; what takes longer is cut off.
        connections: Connections at the same time; one more gets 503.
        public_without_key: Listen on other addresses than loopback though there is no key.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    model_name: str | None = None
    queue_tokens: int | None = None
    texts: int = 2048
    text_characters: int = 200_000
    body_bytes: int = 8 * 2**20
    on_long: Literal["truncate", "error"] = "truncate"
    deadline_seconds: float = 120.0
    receive_seconds: float = 20.0
    drain_seconds: float = 30.0
    connections: int = 1000
    public_without_key: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the field."""
        for name in ("texts", "text_characters", "body_bytes", "connections"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"{name} is {getattr(self, name)}; expected at least 1")
        for name in ("deadline_seconds", "receive_seconds", "drain_seconds"):
            if not getattr(self, name) > 0:
                raise InvalidInputError(f"{name} is {getattr(self, name)}; expected more than 0")
        if self.queue_tokens is not None and self.queue_tokens < 1:
            raise InvalidInputError(f"queue_tokens is {self.queue_tokens}; expected at least 1")
        if self.on_long not in ("truncate", "error"):
            raise InvalidInputError(f"on_long is {self.on_long!r}; expected 'truncate' or 'error'")

    @property
    def is_public(self) -> bool:
        """Whether others than this machine can connect."""
        if self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return True
