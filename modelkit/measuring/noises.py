"""Synthetic sounds without speech, the same in every run."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
Signal = npt.NDArray[np.float64]
Kinds = dict[str, Callable[[np.random.Generator, int, int], Signal]]

SECONDS = (2.0, 10.0)
LEVELS = (-45.0, -15.0)
"""Shortest and longest length in seconds; lowest and highest level (RMS in dBFS)."""


def coloured(dice: np.random.Generator, count: int, rate: int, slope: float) -> Signal:
    """Noise whose amplitude falls with frequency to the power of `slope`: 0 white, 0.5 pink, 1 brown."""
    frequencies = np.fft.rfftfreq(count, 1.0 / rate)
    frequencies[0] = frequencies[1]
    return np.fft.irfft(np.fft.rfft(dice.standard_normal(count)) * frequencies**-slope, count)


def drums(dice: np.random.Generator, count: int, rate: int) -> Signal:
    """Drums, three strokes per second."""
    found = np.zeros(count)
    for begin in range(0, count, rate // 3):
        t = np.arange(min(rate // 4, count - begin)) / rate
        stroke = dice.standard_normal(len(t)) * np.exp(-25.0 * t) + np.sin(440.0 * t) * np.exp(-12.0 * t)
        found[begin : begin + len(t)] += stroke
    return found


def clicks(dice: np.random.Generator, count: int, rate: int) -> Signal:
    """Clicks at random times, four per second."""
    found = np.zeros(count)
    found[dice.integers(0, count, max(4 * count // rate, 1))] = 1.0
    return np.convolve(found, np.exp(-np.arange(200) / 30.0), "same")


def melody(dice: np.random.Generator, count: int, rate: int) -> Signal:
    """Plucked notes, one after another."""
    found = np.zeros(count)
    begin = 0
    while begin < count:
        length = int(rate * dice.choice([0.2, 0.3, 0.4, 0.6]))
        t = np.arange(min(length, count - begin)) / rate
        pitch = 220.0 * 2.0 ** (dice.integers(0, 15) / 12.0)
        tones = sum(np.sin(2 * np.pi * pitch * overtone * t) / overtone for overtone in range(1, 6))
        found[begin : begin + len(t)] = tones * np.exp(-3.0 * t)
        begin += length
    return found


def chords(dice: np.random.Generator, count: int, rate: int) -> Signal:
    """Chords, one per second."""
    found = np.zeros(count)
    for begin in range(0, count, rate):
        t = np.arange(min(rate, count - begin)) / rate
        for step in (0, 4, 7):
            pitch = 196.0 * 2.0 ** ((step + 5 * dice.integers(0, 3)) / 12.0)
            for overtone in range(1, 8):
                found[begin : begin + len(t)] += np.sin(2 * np.pi * pitch * overtone * t) / overtone**1.5
    return found


def hum(dice: np.random.Generator, count: int, rate: int) -> Signal:
    """Hum of the mains."""
    t = np.arange(count) / rate
    tones = sum(np.sin(2 * np.pi * 50.0 * overtone * t) / overtone for overtone in (1, 2, 3, 5))
    return tones + 0.02 * dice.standard_normal(count)


FITTED: Kinds = {
    "white noise": lambda dice, count, rate: coloured(dice, count, rate, 0.0),
    "pink noise": lambda dice, count, rate: coloured(dice, count, rate, 0.5),
    "brown noise": lambda dice, count, rate: coloured(dice, count, rate, 1.0),
    "drums": drums,
    "clicks": clicks,
}
"""The noises that confidence is fitted on."""

UNMET: Kinds = {
    "melody": melody,
    "chords": chords,
    "hum": hum,
}
"""The noises that confidence is only measured on."""


def noises(kinds: Kinds, rate: int, each: int = 12) -> Iterator[tuple[str, Samples]]:
    """Yield `each` waveforms per kind, shape (samples,), of various lengths and levels."""
    dice = np.random.default_rng(0)
    for name, make in kinds.items():
        for _ in range(each):
            signal = make(dice, int(dice.uniform(*SECONDS) * rate), rate)
            signal *= 10.0 ** (dice.uniform(*LEVELS) / 20.0) / max(
                float(np.sqrt(np.square(signal).mean())), 1e-9
            )
            yield name, signal.astype(np.float32)
