"""Place decoded frames in time by the recording's timestamps, and find the gaps between them."""

from typing import Final

GAP_SECONDS: Final = 0.04
"""A frame that starts later than this after the preceding one leaves a gap, such as two lost packets of a
call. Millisecond rounding and the jitter of browsers' clocks stay below."""

LONGEST_GAP_SECONDS: Final = 3600.0
"""If timestamps jump forward by more than this, the clock was reset and no audio is missing."""

KNOWN_GAP_SECONDS: Final = 0.005
"""As GAP_SECONDS, where audio is known to be lost: more than the rounding of timestamps."""

BACK_SECONDS: Final = 1.0
"""If timestamps jump back by more than this, the clock was reset, as where two recordings were joined."""


class Timeline:
    """Turns the timestamps of frames into the lengths of silence missing before them.

    No audio is dropped: a frame whose time has already passed is appended to the preceding one, and the next
    gap is shortened by the overlap.
    """

    def __init__(self, sample_rate: int, origin: float) -> None:
        """`origin` is the timestamp, in seconds, of the first sample."""
        self.rate = sample_rate
        self._origin = origin
        self._samples = 0
        self._before = 0.0
        """Length up to the last change of the sample rate."""

    @property
    def seconds(self) -> float:
        """Length so far, including gaps."""
        return self._before + self._samples / self.rate

    def change_rate(self, sample_rate: int) -> None:
        """Go on at another sample rate."""
        self._before, self._samples, self.rate = self.seconds, 0, sample_rate

    def gap(self, time: float | None, *, is_known: bool = False) -> int:
        """Return the samples of silence to insert before a frame.

        Args:
            time: the frame's timestamp in seconds; None if it has none.
            is_known: whether audio before the frame is known to be lost.
        """
        if time is None:
            return 0
        missing = time - self._origin - self.seconds
        if (KNOWN_GAP_SECONDS if is_known else GAP_SECONDS) < missing <= LONGEST_GAP_SECONDS:
            return round(missing * self.rate)
        if missing > LONGEST_GAP_SECONDS or missing < -BACK_SECONDS:
            self._origin += missing
        return 0

    def advance(self, samples: int) -> None:
        """Record that `samples` were emitted, including silence."""
        self._samples += samples
