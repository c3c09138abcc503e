"""How one recording is listened to, where it is not as the model says."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DEFAULT_HOTWORD_WEIGHT: Final = 6.0


class Channels(StrEnum):
    """What becomes of the channels of a recording."""

    MIX = "mix"  # one transcript of their mean
    EACH = "each"  # a transcript of each, as for telephone calls with a channel for each side


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may choose for one recording.

    Attributes:
        decoder: "greedy" or "beam"; None for the engine's own.
        channels: whether channels are mixed or heard one by one.
        hotwords: words or phrases to be preferred where they could have been said; beam search alone heeds
            them.
        hotword_weight: natural logarithm by which a hot word's score is raised.
    """

    decoder: str | None = None
    channels: Channels = Channels.MIX
    hotwords: tuple[str, ...] = ()
    hotword_weight: float = DEFAULT_HOTWORD_WEIGHT


NO_OPTIONS: Final = Options()
