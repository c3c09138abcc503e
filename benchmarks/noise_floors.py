"""Noise floors without speech, the pauses of real recordings among them. All are determined by a seed."""

import functools
from collections.abc import Callable

import numpy as np

from benchmarks.recordings import decoded, pages, voices
from benchmarks.sounds import RATE, Samples, levelled, room, white

UNDER_SPEECH_DB = 30.0
"""A pause is at least this far below the speech of its recording (95th percentile of 10 ms)."""

SHORTEST_SECONDS, MARGIN_SECONDS, FADE_SECONDS = 0.3, 0.1, 0.02
HOP = RATE // 100


def pink(seconds: float, seed: int = 0) -> Samples:
    """Noise that falls by 3 dB per octave from 20 Hz."""
    noise = np.random.default_rng(seed).normal(size=round(seconds * RATE))
    frequency = np.maximum(np.fft.rfftfreq(len(noise), 1 / RATE), 20.0)
    return levelled(np.fft.irfft(np.fft.rfft(noise) / np.sqrt(frequency), len(noise)))


def hum(seconds: float, seed: int = 0) -> Samples:
    """Mains at 50 Hz with three harmonics, above faint noise."""
    time = np.arange(round(seconds * RATE)) / RATE
    tones = sum(np.sin(2 * np.pi * 50 * k * time) / k for k in (1, 2, 3, 5))
    return levelled(tones + 0.01 * np.random.default_rng(seed).normal(size=len(time)))


def real_room(seconds: float, seed: int = 0) -> Samples:
    """The pauses of real recordings in random order, each at the same level, with soft joints."""
    dice, stock = np.random.default_rng(seed), _pauses()
    fade = np.linspace(0.0, 1.0, round(FADE_SECONDS * RATE), dtype=np.float32)
    parts: list[Samples] = []
    length = 0
    while length < seconds * RATE:
        part = stock[dice.integers(len(stock))].copy()
        part[: len(fade)] *= fade
        part[-len(fade) :] *= fade[::-1]
        parts.append(part)
        length += len(part)
    return np.concatenate(parts)[: round(seconds * RATE)]


@functools.cache
def _pauses() -> list[Samples]:
    margin = round(MARGIN_SECONDS * RATE)
    found = []
    for clip in (*voices(), *pages()):
        samples = decoded(clip.path, RATE)
        frames = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
        levels = 10 * np.log10(np.maximum(np.square(frames).mean(axis=1), 1e-12))
        still = (levels < np.percentile(levels, 95) - UNDER_SPEECH_DB) & (levels > -100)
        edges = np.flatnonzero(np.diff(still.astype(np.int8), prepend=0, append=0)) * HOP
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if end - begin >= 2 * margin + SHORTEST_SECONDS * RATE:
                found.append(levelled(samples[begin + margin : end - margin]))
    return found


FLOORS: dict[str, Callable[[float], Samples]] = {
    "white": white,
    "pink": pink,
    "hum of 50 Hz": hum,
    "room, synthetic": room,
    "room, pauses of recordings": real_room,
}
