"""``python -m benchmarks.seams``: measure the loss from transcribing clips as one long recording.

Clips are joined with and without pauses, in silence and in noise, and transcribed in one piece. The same
clips, with the same noise, are transcribed one by one. The benchmark reports the loss against the texts
(missed words per hour, word error rate), and how many words of the single clips are gone or new, which does
not depend on the model's spelling.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.recordings import Clip, decoded, pages, voices
from benchmarks.sounds import RATE, Samples, mixed, room, white
from modelkit import ErrorCounts, edit_counts
from speech.engine import DECODERS, Engine
from speech.options import Options
from speech.text import normalise_for_scoring

ROUNDS = 4
"""How often the clips are joined, each time in another order."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How clips are joined: with `pause` seconds between them, and noise at `snr_db` (None for no noise)."""

    name: str
    clips: Sequence[Clip]
    pause: float
    snr_db: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """Edit counts of the joined recording and the single clips, against the texts and against each other."""

    condition: Condition
    seconds: float
    joined: ErrorCounts
    alone: ErrorCounts
    changed: ErrorCounts
    windows: int

    def hourly(self, count: float) -> float:
        return 3600 * count / self.seconds


class Listener:
    """Transcribes samples to words for scoring."""

    def __init__(self, engine: Engine, decoder: str | None, folder: Path) -> None:
        self._engine, self._options, self._path = engine, Options(decoder=decoder), folder / "heard.wav"

    def words(self, samples: Samples) -> list[str]:
        soundfile.write(self._path, samples, RATE, subtype="FLOAT")
        segments = self._engine.transcribe(self._path, options=self._options)
        return normalise_for_scoring(" ".join(segment.text for segment in segments)).split()


def measure(condition: Condition, listener: Listener, engine: Engine) -> Result:
    """Measure a condition with ROUNDS orders of the clips."""
    noise = white(30.0, 3) if condition.snr_db is not None else None
    samples = [decoded(clip.path, RATE) for clip in condition.clips]
    if noise is not None and condition.snr_db is not None:
        samples = [mixed(one, noise, condition.snr_db) for one in samples]
    texts = [normalise_for_scoring(clip.text).split() for clip in condition.clips]
    heard = [listener.words(one) for one in samples]
    pause = 0.01 * room(1.0, 5)[: round(condition.pause * RATE)]
    joined = alone = changed = ErrorCounts()
    seconds, windows = 0.0, 0
    for round_ in range(ROUNDS):
        order = np.random.default_rng(round_).permutation(len(samples))
        signal = np.concatenate([part for index in order for part in (samples[index], pause)])
        found = listener.words(signal)
        reference = [word for index in order for word in texts[index]]
        single = [word for index in order for word in heard[index]]
        joined += edit_counts(reference, found)
        alone += edit_counts(reference, single)
        changed += edit_counts(single, found)
        seconds += len(signal) / RATE
        windows += overlapping_windows(engine, signal)
    return Result(condition, seconds, joined, alone, changed, windows)


def overlapping_windows(engine: Engine, signal: Samples) -> int:
    """Count the windows that were cut without a pause."""
    segmenter = engine.segmenter()
    return sum(chunk.goes_on for chunk in segmenter.push(signal) + segmenter.flush())


def conditions() -> list[Condition]:
    dev, books = voices(), pages()
    return [
        Condition("cv-hi, pauses of 0.8 s", dev, 0.8),
        Condition("cv-hi, no pauses", dev, 0.0),
        Condition("cv-hi, no pauses, noise at 20 dB", dev, 0.0, 20.0),
        Condition("cv-hi, no pauses, noise at 10 dB", dev, 0.0, 10.0),
        Condition("cv-hi, no pauses, noise at 5 dB", dev, 0.0, 5.0),
        Condition("reader-hi, pauses of 0.8 s", books, 0.8),
        Condition("reader-hi, no pauses", books, 0.0),
        Condition("reader-hi, no pauses, noise at 20 dB", books, 0.0, 20.0),
        Condition("reader-hi, no pauses, noise at 10 dB", books, 0.0, 10.0),
    ]


def table(results: Sequence[Result]) -> Table:
    rows = Table("clips", title="Joined clips against the same clips alone")
    for column in (
        "seams an hour",
        "WER alone",
        "WER joined",
        "missed words per hour alone",
        "joined",
        "words of the clips alone: gone, other, new per hour",
    ):
        rows.add_column(column, justify="right")
    for result in results:
        changed = result.changed
        rows.add_row(
            result.condition.name,
            f"{result.hourly(result.windows):.0f}",
            f"{100 * result.alone.rate:.1f} %",
            f"{100 * result.joined.rate:.1f} %",
            f"{result.hourly(result.alone.deletions):.0f}",
            f"{result.hourly(result.joined.deletions):.0f}",
            ", ".join(
                f"{result.hourly(count):.0f}"
                for count in (changed.deletions, changed.substitutions, changed.insertions)
            ),
        )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seams", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/hi-ctc-base"))
    parser.add_argument("--decoder", choices=DECODERS, help="default: the model's default decoder")
    arguments = parser.parse_args()
    engine = Engine.load(arguments.model)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        listener = Listener(engine, arguments.decoder, Path(folder))
        console = Console(stderr=True)
        results = [measure(one, listener, engine) for one in track(conditions(), console=console)]
    Console(width=160).print(table(results))


if __name__ == "__main__":
    main()
