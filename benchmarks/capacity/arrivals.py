"""When recordings arrive and how long they are: Poisson arrivals, a daily profile, mixes of lengths."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

HOURS = 24
OFFICE = (1, 1, 1, 1, 1, 1, 2, 4, 8, 14, 18, 19, 16, 13, 16, 18, 17, 14, 10, 7, 5, 3, 2, 1)
"""Relative arrivals in each hour of a day of an office, such as a call centre."""


@dataclass(frozen=True, slots=True)
class Mix:
    """The recordings of a kind of user.

    Attributes:
        seconds: mean length of a recording.
        spread: sigma of the logarithm of the length; lengths are log-normal.
        hours: relative arrivals in each hour of the day.
        megabytes: of an hour of audio as it is sent.
    """

    name: str
    seconds: float
    spread: float
    hours: tuple[float, ...]
    megabytes: float

    def jobs_a_day(self, audio_hours: float) -> float:
        """Return how many recordings make so many hours of audio."""
        return audio_hours * 3600 / self.seconds

    @property
    def peak(self) -> float:
        """Arrivals in the busiest hour, relative to the mean."""
        return max(self.hours) * len(self.hours) / sum(self.hours)

    def lengths(self, number: int, dice: np.random.Generator) -> Floats:
        """Draw lengths of recordings in seconds."""
        mean = np.log(self.seconds) - self.spread**2 / 2
        return dice.lognormal(mean, self.spread, number)


CALLS = Mix("calls", 180.0, 0.9, tuple(map(float, OFFICE)), 29.0)
ARCHIVE = Mix("archive", 1800.0, 0.6, (1.0,) * HOURS, 115.0)
MIXES = (CALLS, ARCHIVE)


def poisson(rate: float, seconds: float, dice: np.random.Generator) -> Floats:
    """Draw the times of arrivals at a constant rate a second, in order."""
    number = dice.poisson(rate * seconds)
    return np.sort(dice.uniform(0.0, seconds, number))


def by_hours(mean_rate: float, hours: tuple[float, ...], dice: np.random.Generator) -> Floats:
    """Draw the times of a day's arrivals, in seconds, whose rate changes from hour to hour.

    Args:
        mean_rate: arrivals a second over the day.
        hours: relative arrivals in each hour.
    """
    mean = sum(hours) / len(hours)
    parts = [
        hour * 3600 + poisson(mean_rate * weight / mean, 3600.0, dice) for hour, weight in enumerate(hours)
    ]
    return np.concatenate(parts)
