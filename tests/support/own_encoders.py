"""Encoders that a test knows more of, importable by the processes of a cluster."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin import Encoder
from embed_plugin.encode.runtime import Runtime
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    import numpy as np
    import numpy.typing as npt

    from embed_plugin import Vectors
    from embed_plugin.types import Role, TokenisedTexts


class WitnessedRuntime(Runtime):
    """Takes its time, and says which process it is in: a file named so beside its folder."""

    def submit(
        self, tokenised: TokenisedTexts, *, is_part: bool = False, into: Vectors | None = None
    ) -> Future[Vectors]:
        (self._opened.path.parent / f"{os.getpid()}.pid").touch()
        time.sleep(0.1)
        return super().submit(tokenised, is_part=is_part, into=into)


class WitnessedEncoder(Encoder):
    """A real encoder with that runtime."""

    runtime_class = WitnessedRuntime


class DeadlyEncoder(FakeEncoder):
    """Ends the process that encodes the text ``deadly``."""

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        if "deadly" in texts:
            os._exit(1)
        return super().encode_documents(texts)


class SnowmanEncoder(FakeEncoder):
    """Takes a snowman for more tokens than a text may have."""

    def count_tokens(self, texts: Sequence[str], *, role: Role = "document") -> npt.NDArray[np.int64]:
        return super().count_tokens([text.replace("☃", "snow " * 100) for text in texts], role=role)


def witnesses(folder: Path) -> set[int]:
    """The processes in which encoders of model folders here have encoded."""
    return {int(path.stem) for path in folder.glob("*.pid")}


def threads_of_tokenizers(encoder: Encoder) -> int:
    """How many threads tokenizers starts in this process, where it has not tokenised many texts yet."""
    tasks = Path("/proc/self/task")
    before = set(tasks.iterdir())
    encoder.count_tokens(["the cat sat on the mat"] * 64)
    return len(set(tasks.iterdir()) - before)
