"""What the harness submits: the samples joined with pauses, the same files for every seed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from speech import Engine

ROOT = Path(__file__).resolve().parents[2]
SHORTEST, LONGEST = 2.0, 60.0
SKEW = 1.2  # of the logarithm: half of the recordings are shorter than 9 s
PAUSE_SECONDS = (0.3, 1.5)
NOISE = 3.0  # of 32,767


@dataclass(frozen=True, slots=True)
class Recording:
    """A WAV file, its length in seconds, and the segments that the service must answer with."""

    path: Path
    seconds: float
    segments: list[dict[str, Any]]


def make(folder: Path, count: int, model: Path) -> list[Recording]:
    """Write ``count`` recordings of 2 to 60 seconds and transcribe them, in peace.

    Raises:
        ValueError: in one of them no word was found, so it would prove nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(2)
    clips = [soundfile.read(path, dtype="int16") for path in sorted((ROOT / "samples").glob("*.wav"))]
    rate = clips[0][1]
    engine = Engine.load(model)
    recordings = []
    for number, place in enumerate(np.linspace(0.0, 1.0, count)):
        seconds = SHORTEST * (LONGEST / SHORTEST) ** (place**SKEW)
        samples = np.zeros(0, np.int16)
        while len(samples) < seconds * rate:
            pause = random.normal(0, NOISE, int(random.uniform(*PAUSE_SECONDS) * rate)).astype(np.int16)
            samples = np.concatenate([samples, clips[random.integers(len(clips))][0], pause])
        path = folder / f"{number:03d}.wav"
        soundfile.write(path, samples[: round(seconds * rate)], rate, subtype="PCM_16")
        segments = expected(engine, path)
        if not segments:
            raise ValueError(f"no word was found in {path}")
        recordings.append(Recording(path, seconds, segments))
    return recordings


def expected(engine: Engine, path: Path) -> list[dict[str, Any]]:
    """The segments as the service's JSON has them: times to the millisecond, confidences to four digits."""
    with engine.transcribe(path) as transcription:
        return [
            {
                "start": round(segment.start, 3),
                "end": round(segment.end, 3),
                "channel": segment.channel,
                "text": segment.text,
                "confidence": None if segment.confidence is None else round(segment.confidence, 4),
                "avg_logprob": None if segment.avg_logprob is None else round(segment.avg_logprob, 4),
                "words": [
                    {
                        "text": word.text,
                        "start": round(word.start, 3),
                        "end": round(word.end, 3),
                        "confidence": round(word.confidence, 4),
                    }
                    for word in segment.words
                ],
            }
            for segment in transcription.segments()
        ]
