"""The place of decoded frames in time, where a recording has a clock of its own."""

from typing import Final

GAP_SECONDS: Final = 0.04
"""A frame so much later than the end of the one before leaves a gap: two lost packets of a call. Clocks that
count in milliseconds, or tremble as those of browsers do, stay below."""

LONGEST_GAP_SECONDS: Final = 3600.0
"""A clock that leaps further was set anew, and nothing is missing."""

BACK_SECONDS: Final = 1.0
"""A clock that goes back so far was set anew, as where two recordings were joined."""


class Timeline:
    """Turns times of frames into samples of silence that are missing before them.

    Nothing is ever dropped: a frame whose time has passed already is put behind the one before, and what it
    is late by is taken from the next gap.
    """

    def __init__(self, sample_rate: int, origin: float) -> None:
        """`origin` is the clock's reading, in seconds, at the first sample."""
        self._rate = sample_rate
        self._origin = origin
        self._samples = 0

    @property
    def seconds(self) -> float:
        """Length so far, gaps included."""
        return self._samples / self._rate

    def gap(self, time: float | None) -> int:
        """Samples of silence that belong before a frame that begins at `time`; None where it has no time."""
        if time is None:
            return 0
        missing = time - self._origin - self.seconds
        if GAP_SECONDS < missing <= LONGEST_GAP_SECONDS:
            return round(missing * self._rate)
        if missing > LONGEST_GAP_SECONDS or missing < -BACK_SECONDS:
            self._origin += missing
        return 0

    def advance(self, samples: int) -> None:
        """So many samples were handed out, silence among them."""
        self._samples += samples
