"""Make a long, realistic recording: clips joined with pauses of room tone, noise and music."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.recordings import decoded, voices
from benchmarks.sounds import RATE, SOUNDS, Samples, levelled

MARGIN_SECONDS = 0.4
"""Seconds of surroundings included with a clip as a separate file. Pauses are at least twice as long."""

PAUSES = ("room tone",) * 7 + ("white noise", "street", "clatter", "band", "melody", "drums")
"""The contents of pauses, each as frequent as in this list."""

PAUSE_SECONDS = {"room tone": (0.8, 3.0)}
OTHER_SECONDS = (3.0, 15.0)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A clip in the long recording with its surroundings, in samples."""

    begin: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Made:
    """The long recording and its clips, in order."""

    path: Path
    seconds: float
    excerpts: list[Excerpt]


def make(folder: Path, seconds: float, seed: int = 7) -> Made:
    """Write the long recording as FLAC, in blocks."""
    dice = np.random.default_rng(seed)
    clips = [(levelled(decoded(clip.path, RATE), -23.0), clip.text) for clip in voices()]
    stock = {name: levelled(sound(60.0, seed), -30.0) for name, sound in SOUNDS.items()}
    stock["room tone"] = levelled(stock["room tone"], -60.0)
    path = folder / "long.flac"
    excerpts: list[Excerpt] = []
    margin = round(MARGIN_SECONDS * RATE)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        file.write(_pause(stock, dice))
        while file.frames < seconds * RATE:
            for index in dice.permutation(len(clips)):
                samples, text = clips[index]
                excerpts.append(Excerpt(file.frames - margin, file.frames + len(samples) + margin, text))
                file.write(samples)
                file.write(_pause(stock, dice))
                if file.frames >= seconds * RATE:
                    break
        return Made(path, file.frames / RATE, excerpts)


def _pause(stock: dict[str, Samples], dice: np.random.Generator) -> Samples:
    """Make a pause of room tone, noise or music, with room tone at its edges."""
    name = PAUSES[dice.integers(len(PAUSES))]
    length = round(dice.uniform(*PAUSE_SECONDS.get(name, OTHER_SECONDS)) * RATE)
    start = dice.integers(len(stock[name]) - length)
    if name == "room tone":
        return stock[name][start : start + length]
    edge = stock["room tone"][: round(MARGIN_SECONDS * RATE)]
    return np.concatenate((edge, stock[name][start : start + length], edge))
