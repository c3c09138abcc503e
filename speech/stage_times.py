"""Wall-clock time by stage."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class StageTimes:
    """Adds up the seconds spent in each stage.

    Attributes:
        seconds: by stage.
    """

    def __init__(self, *stages: str) -> None:
        self.seconds = dict.fromkeys(stages, 0.0)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count the time of the block for `stage`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - began
