"""Settings of an encoder: choices of this machine and program. Facts about the model are in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from embed_plugin.errors import InvalidInputError


@dataclass(frozen=True)
class EncoderSettings:
    """Settings of this machine for an encoder. None of them changes a vector.

    Attributes:
        workers: Threads that encode, one core each; None: as many CPUs as this process may use. A call with one short
            text runs on the calling thread, beside them, and on several cores while they are idle; with one worker
            on one core.
        token_budget: Most tokens of one onnxruntime run; a longer text runs alone.
        window_texts: Texts tokenised ahead and grouped by length; bounds the memory of a stream.
        on_other_cpu: Reaction to a folder that was checked on another class of CPU, or with another release of
            onnxruntime, and gives other vectors here: ``warn``, refuse it (``error``), or skip the check (``ignore``).
        on_long: ``truncate`` cuts a text at the model's token limit and counts it, ``error`` refuses it.
    """

    workers: int | None = None
    token_budget: int = 256
    window_texts: int = 1024
    on_other_cpu: Literal["warn", "error", "ignore"] = "warn"
    on_long: Literal["truncate", "error"] = "truncate"

    def __post_init__(self) -> None:
        """Refuse values that cannot work, naming the field."""
        for name in ("workers", "token_budget", "window_texts"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise InvalidInputError(f"{name} is {value!r}; expected a whole number of at least 1")
        if self.on_long not in ("truncate", "error"):
            raise InvalidInputError(f"on_long is {self.on_long!r}; expected 'truncate' or 'error'")
        if self.on_other_cpu not in ("warn", "error", "ignore"):
            raise InvalidInputError(f"on_other_cpu is {self.on_other_cpu!r}; expected 'warn', 'error' or 'ignore'")
