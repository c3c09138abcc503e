"""The recordings of the measured run: clips, and longer ones joined from them."""

from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.recordings import PAUSE_SECONDS, clips, decoded

RATE = 16_000
JOINED_SECONDS = (12.0, 30.0)


def recordings(folder: Path, joined: int, seed: int = 7) -> tuple[list[Path], list[Path]]:
    """Return the clips, and write so many longer recordings: other clips in other orders, with pauses."""
    dice = np.random.default_rng(seed)
    samples = [decoded(clip, RATE) for clip in clips()]
    folder.mkdir(parents=True)
    longer = []
    for number, wanted in enumerate(np.linspace(*JOINED_SECONDS, joined)):
        longer.append(folder / f"joined-{number:02d}.flac")
        with soundfile.SoundFile(longer[-1], "w", RATE, 1, "PCM_16") as file:
            for index in cycle(dice.permutation(len(samples))):
                file.write(samples[index])
                if file.frames >= wanted * RATE:
                    break
                file.write(dice.normal(0, 1e-4, int(PAUSE_SECONDS * RATE)).astype(np.float32))
    return clips(), longer


def drawn(clips: list[Path], longer: list[Path], share: float, number: int, seed: int) -> list[Path]:
    """Draw recordings: ``share`` of them longer ones, each as often as another."""
    dice = np.random.default_rng(seed)
    sources = {False: _endless(clips, dice), True: _endless(longer, dice)}
    kinds = np.arange(number) < round(share * number)
    return [next(sources[bool(kind)]) for kind in dice.permutation(kinds)]


def _endless(paths: list[Path], dice: np.random.Generator) -> "cycle[Path]":
    return cycle([paths[index] for index in dice.permutation(len(paths))])
