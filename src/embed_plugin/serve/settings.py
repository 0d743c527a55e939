"""Settings of a service: its address, limits and deadlines."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal

from embed_plugin.errors import InvalidInputError


@dataclass(frozen=True)
class ServeSettings:
    """Settings of a service. None of them changes a vector.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one and logs it.
        model_name: The model's name in requests and responses; None: its source.
        queue_tokens: Most tokens that wait in the bulk lane, and a tenth of them in the interactive lane; None: as many
            as this machine encodes in ten seconds at the speed measured lately, and at least 20,480.
        texts: Most texts of one request.
        text_characters: Most characters of one text.
        body_bytes: Most bytes of one request's body.
        on_long: Handling of a text above the model's token limit where the request does not choose.
        deadline_seconds: Time limit of a request, after which it gets 504; the request's own Embed-Deadline-Ms may be
            shorter.
        receive_seconds: Time limit of receiving a request's head, and again of receiving its body.
        drain_seconds: Time after SIGTERM for the admitted requests to complete; then they are cut off.
        connections: Most concurrent connections; one more gets 503.
        public_without_key: Listen on other addresses than loopback without any key.
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
        """Validate, naming the field in the error."""
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
        """True where other machines can connect."""
        if self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return True
