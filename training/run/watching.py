"""What a run tells about itself while it goes on."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.run.heldout import Found


@dataclass(frozen=True, slots=True)
class Pace:
    """How far a run is.

    Attributes:
        part: fraction of the run that is done, 0..1.
        seconds: time that the run has taken, without interruptions.
        loss: weighted sum of both losses, averaged since the last line of the log.
        rate: learning rate of the heads.
        speed: seconds of audio per second, averaged likewise.
    """

    update: int
    part: float
    seconds: float
    loss: float
    rate: float
    speed: float


class Watcher:
    """Is told about a run while it goes on. This one ignores it."""

    def paced(self, pace: Pace) -> None:
        """Called after each update."""

    def measured(self, update: int, found: Sequence[Found]) -> None:
        """Called after each measurement on the held-out sets."""
