"""Recordings to put on the page: real Hindi sentences, also many in one."""

import re
from pathlib import Path

import numpy as np
import soundfile
import soxr

from tests.conftest import ROOT

SAMPLES = ROOT / "samples"
RATE = 16_000
PAUSE_SECONDS = 1.0
DEVANAGARI = re.compile(r"[\u0900-\u097f]{2}")
"""What their text contains."""


def sentence(path: Path, number: int = 0) -> Path:
    """Write one of the sample sentences under a name of its own."""
    samples = sorted(SAMPLES.glob("*.wav"))
    path.write_bytes(samples[number % len(samples)].read_bytes())
    return path


def speech(path: Path, seconds: float) -> Path:
    """Write sentences with pauses between them."""
    pause = np.zeros(round(PAUSE_SECONDS * RATE), np.int16)
    parts = []
    for sample in sorted(SAMPLES.glob("*.wav")):
        samples, rate = soundfile.read(sample, dtype="int16")
        parts += [soxr.resample(samples, rate, RATE), pause]
    soundfile.write(path, np.resize(np.concatenate(parts), round(seconds * RATE)), RATE)
    return path
