"""A reporter that keeps what it is told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from modelkit.verification import Check


class Notes:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.bars: dict[str, tuple[int, int]] = {}
        self.checks: list[Check] = []

    def tell(self, sentence: str) -> None:
        self.sentences.append(sentence)

    @contextmanager
    def bar(self, name: str, total: int, *, in_bytes: bool = False) -> Iterator[Callable[[int], None]]:
        done = [0]

        def advance(steps: int) -> None:
            done[0] += steps

        yield advance
        self.bars[name] = (done[0], total)

    def check(self, check: Check) -> None:
        self.checks.append(check)
