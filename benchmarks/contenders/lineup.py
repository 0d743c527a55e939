"""Several contenders at once: one that fails is left out with a reason, the others go on."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from contenders.process import ContenderError, ContenderProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from contenders import Contender
    from contenders.process import Place


def say(message: str) -> None:
    """Progress, on stderr."""
    print(message, file=sys.stderr, flush=True)


class Lineup:
    """The processes of contenders that take turns.

    Attributes:
        failed: The reason of each contender that failed, by name.
    """

    def __init__(self, contenders: Iterable[Contender], place_of: Callable[[Contender], Place]) -> None:
        self.contenders = list(contenders)
        self.place_of = place_of
        self.failed: dict[str, str] = {}
        self._processes: dict[str, ContenderProcess] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def standing(self, turn: int = 0) -> list[Contender]:
        """The contenders that have not failed; each turn begins with another one."""
        left = [contender for contender in self.contenders if contender.name not in self.failed]
        shift = turn % max(1, len(left))
        return left[shift:] + left[:shift]

    def start(self, contender: Contender) -> None:
        """Start a contender's process, in place of an earlier one."""
        self.stop(contender)
        self._processes[contender.name] = self._stack.enter_context(
            ContenderProcess(contender, self.place_of(contender))
        )

    def stop(self, contender: Contender) -> None:
        """End a contender's process."""
        process = self._processes.pop(contender.name, None)
        if process is not None:
            process.close()

    def ask(self, contender: Contender, do: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """Send a request; None if the contender fails, which then takes no further part."""
        try:
            return self._processes[contender.name].ask(do, arguments)
        except ContenderError as error:
            self.failed[contender.name] = " ".join(str(error).split())
            say(f"  {contender.name}: failed: {self.failed[contender.name]}")
            self.stop(contender)
            return None

    def ask_all(
        self, do: str, arguments: Mapping[str, Any], turn: int = 0
    ) -> Iterator[tuple[Contender, dict[str, Any]]]:
        """Send a request to each contender that has not failed; yields those that answered, with their answers."""
        for contender in self.standing(turn):
            answer = self.ask(contender, do, arguments)
            if answer is not None:
                yield contender, answer

    def prepare(self, texts: str) -> None:
        """Prepare each contender's model, in a process of its own that then ends."""
        for contender in self.standing():
            say(f"  {contender.name}: prepare")
            self.start(contender)
            self.ask(contender, "prepare", {"texts": texts})
            self.stop(contender)

    def load(self, text: str) -> dict[str, dict[str, Any]]:
        """Start and load all; their answers by name."""
        for contender in self.standing():
            self.start(contender)
        return {contender.name: answer for contender, answer in self.ask_all("load", {"text": text})}
