"""Settings of a client: deadlines, request sizes, and the circuit breaker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from embed_plugin.errors import InvalidInputError


@dataclass(frozen=True)
class ClientSettings:
    """Settings of a client. None of them changes a vector.

    Attributes:
        deadline_seconds: Time limit of one request with all its retries, waits and fallbacks. A call of up to
            ``request_texts`` texts is one request, a larger one is several.
        first_contact_seconds: How long endpoints are retried while no connection to any was ever made: a wrong URL or a
            service that was never started is reported soon, a restart is waited for until the deadline.
        attempt_seconds: Time limit of one attempt; our own service receives it, and stops then too.
        request_texts: Most texts of one request; less where the endpoint's own limit is lower.
        request_characters: Most characters of one request; a longer text is sent alone.
        in_flight: Most concurrent requests of one call.
        failures_to_open: Consecutive failures that open the circuit of an endpoint.
        open_seconds: How long an open circuit refuses requests before it admits a probe.
        on_long: Handling of a text above the model's token limit: ``truncate`` cuts it, ``error`` refuses it, None
            leaves that to the service.
    """

    deadline_seconds: float = 120.0
    first_contact_seconds: float = 10.0
    attempt_seconds: float = 60.0
    request_texts: int = 128
    request_characters: int = 50_000
    in_flight: int = 4
    failures_to_open: int = 5
    open_seconds: float = 5.0
    on_long: Literal["truncate", "error"] | None = None

    def __post_init__(self) -> None:
        """Validate, naming the field in the error."""
        for name in ("request_texts", "request_characters", "in_flight", "failures_to_open"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise InvalidInputError(f"{name} is {value!r}; expected a whole number of at least 1")
        for name in ("deadline_seconds", "first_contact_seconds", "attempt_seconds", "open_seconds"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise InvalidInputError(f"{name} is {value!r}; expected a number of seconds above 0")
        if self.on_long not in ("truncate", "error", None):
            raise InvalidInputError(f"on_long is {self.on_long!r}; expected 'truncate', 'error' or None")
