"""``python -m benchmarks.levels``: measure the word error rate of quiet recordings, and words made of noise.

The clips of Common Voice Hindi (dev) are attenuated, one by one and as one recording with pauses, and written
as 32-bit floats, so that only the level changes, or with 16 bits. Near and far speakers are clips that
alternate within one recording, every second one attenuated. Noise floors, the pauses of real recordings among
them, must not become words.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.noise_floors import FLOORS
from benchmarks.recordings import Clip, decoded, voices
from benchmarks.sounds import RATE, Samples, levelled, room
from modelkit import ErrorCounts, corpus_errors, word_errors
from speech import Engine
from transcript.words import Word

LEVELS = (0, -10, -20, -30, -40, -50, -60)
"""Attenuation in decibels. The loudest samples of most clips are at -2 to -5 dBFS."""

CHAIN_PAUSE = 1.2
"""Seconds between the clips of a chain. They hold faint noise, like a room."""

PAUSE_DB = -65.0
"""Level of the noise in the pauses, relative to full scale before the attenuation."""

FAR_DB = (-20, -25, -30)
PAUSES = (0.3, 0.6, 1.2)

FLOOR_LEVELS = (-20, -30, -40, -50, -60, -70, -80)
FLOOR_SECONDS = 60.0


@dataclass(slots=True)
class Figures:
    """What was measured, as plain values: error rates by condition, words per hour by floor and level."""

    clips: dict[int, float] = field(default_factory=dict)
    clips_16_bit: dict[int, float] = field(default_factory=dict)
    chain: dict[int, float] = field(default_factory=dict)
    near_far: dict[str, tuple[float, float]] = field(default_factory=dict)
    floors: dict[str, dict[int, float]] = field(default_factory=dict)


class Listener:
    """Transcribes samples by way of a file."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine, self._path = engine, folder / "recording.wav"

    def words(self, samples: Samples, subtype: str = "FLOAT") -> list[Word]:
        soundfile.write(self._path, samples, RATE, subtype=subtype)
        with self._engine.transcribe(self._path) as transcription:
            return [word for segment in transcription.segments() for word in segment.words]


def attenuated(samples: Samples, decibels: float) -> Samples:
    return samples * np.float32(10 ** (decibels / 20))


def chained(
    clips: Sequence[Samples], gains: Sequence[float], pause: float
) -> tuple[Samples, list[tuple[float, float]]]:
    """Join clips, each with its gain in decibels, by pauses of faint noise.

    Returns:
        The recording, and for each clip its span in seconds with half of the pauses beside it.
    """
    noise = levelled(room(pause, 5), PAUSE_DB) if pause else np.zeros(0, np.float32)
    parts, spans, position = [noise], [], len(noise)
    for samples, gain in zip(clips, gains, strict=True):
        parts += [attenuated(samples, gain), noise]
        end = position + len(samples)
        spans.append((position / RATE - pause / 2, end / RATE + pause / 2))
        position = end + len(noise)
    return np.concatenate(parts), spans


def of_span(words: Sequence[Word], span: tuple[float, float]) -> str:
    """Return the text of the words whose middle is in a span."""
    return " ".join(word.text for word in words if span[0] <= (word.start + word.end) / 2 < span[1])


def of_clips(
    listener: Listener, clips: Sequence[Clip], sounds: Sequence[Samples], subtype: str
) -> list[ErrorCounts]:
    return [
        word_errors(clip.text, " ".join(word.text for word in listener.words(samples, subtype)))
        for clip, samples in zip(clips, sounds, strict=True)
    ]


def of_chain(
    listener: Listener, clips: Sequence[Clip], sounds: Sequence[Samples], decibels: float
) -> list[ErrorCounts]:
    recording, spans = chained(sounds, [0.0] * len(sounds), CHAIN_PAUSE)
    words = listener.words(attenuated(recording, decibels))
    return [word_errors(clip.text, of_span(words, span)) for clip, span in zip(clips, spans, strict=True)]


def of_near_and_far(
    listener: Listener, clips: Sequence[Clip], sounds: Sequence[Samples], far: float, pause: float
) -> tuple[float, float]:
    """Return the error rates of the near and of the far clips. Each clip is near once and far once."""
    near_counts: list[ErrorCounts] = []
    far_counts: list[ErrorCounts] = []
    for parity in (0, 1):
        gains = [far if index % 2 == parity else 0.0 for index in range(len(sounds))]
        recording, spans = chained(sounds, gains, pause)
        words = listener.words(recording)
        for clip, span, gain in zip(clips, spans, gains, strict=True):
            (far_counts if gain else near_counts).append(word_errors(clip.text, of_span(words, span)))
    return corpus_errors(near_counts).rate, corpus_errors(far_counts).rate


def false_words(listener: Listener, floor: str, level: float) -> float:
    """Return the words per hour that are made of a noise floor at a level (RMS, dBFS)."""
    samples = levelled(FLOORS[floor](FLOOR_SECONDS), level)
    return 3600 * len(listener.words(samples, "PCM_16")) / FLOOR_SECONDS


def measure(engine: Engine, parts: Sequence[str]) -> Figures:
    """Measure the named parts: fields of `Figures`."""
    found = Figures()
    clips = voices()
    sounds = [decoded(clip.path, RATE) for clip in clips]
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        listener = Listener(engine, Path(folder))
        for level in track(LEVELS, "levels", console=console, transient=True):
            quiet = [attenuated(samples, level) for samples in sounds]
            if "clips" in parts:
                found.clips[level] = corpus_errors(of_clips(listener, clips, quiet, "FLOAT")).rate
            if "clips_16_bit" in parts:
                found.clips_16_bit[level] = corpus_errors(of_clips(listener, clips, quiet, "PCM_16")).rate
            if "chain" in parts:
                found.chain[level] = corpus_errors(of_chain(listener, clips, sounds, level)).rate
        if "near_far" in parts:
            conditions = [(far, pause) for far in FAR_DB for pause in PAUSES]
            for far, pause in track(conditions, "near and far", console=console, transient=True):
                found.near_far[f"{far} dB, pauses of {pause:g} s"] = of_near_and_far(
                    listener, clips, sounds, far, pause
                )
        if "floors" in parts:
            for floor in track(FLOORS, "noise floors", console=console, transient=True):
                found.floors[floor] = {level: false_words(listener, floor, level) for level in FLOOR_LEVELS}
    return found


def tables(found: Figures) -> list[Table]:
    """Make a table of each part that was measured."""
    made = []
    curves = {"clips": found.clips, "clips, 16 bits": found.clips_16_bit, "one recording": found.chain}
    if any(curves.values()):
        rows = Table("", title="WER in % over the attenuation in dB")
        for level in LEVELS:
            rows.add_column(str(level), justify="right")
        for name, curve in curves.items():
            if curve:
                rows.add_row(name, *(f"{100 * rate:.1f}" for rate in curve.values()))
        made.append(rows)
    if found.near_far:
        rows = Table("far speaker", title="WER in % of a near and a far speaker in one recording")
        rows.add_column("near", justify="right")
        rows.add_column("far", justify="right")
        for name, (near, far) in found.near_far.items():
            rows.add_row(name, f"{100 * near:.1f}", f"{100 * far:.1f}")
        made.append(rows)
    if found.floors:
        rows = Table("noise floor", title="False words per hour over the level in dBFS (RMS)")
        for level in FLOOR_LEVELS:
            rows.add_column(str(level), justify="right")
        for name, curve in found.floors.items():
            rows.add_row(name, *(f"{words:.0f}" for words in curve.values()))
        made.append(rows)
    return made


def draw(path: Path, found: Figures, before: Figures | None) -> None:
    """Draw the error rates over the level, with those measured before as dashed lines."""
    figure = Figure(figsize=(6.4, 3.4), dpi=100, layout="constrained")
    axes = figure.subplots()
    for name, colour in (("clips", "tab:blue"), ("chain", "tab:orange")):
        label = {"clips": "single clips", "chain": "one recording"}[name]
        for figures, style, suffix in ((before, "--", ", before"), (found, "-", "")):
            curve = getattr(figures, name) if figures is not None else {}
            if curve:
                rates = [100 * rate for rate in curve.values()]
                axes.plot(list(curve), rates, style, color=colour, marker=".", label=label + suffix)
    axes.set(xlabel="level, dB relative to the recording", ylabel="WER, %", ylim=(0, 100))
    axes.invert_xaxis()
    axes.grid(color="0.9")
    axes.legend(frameon=False)
    figure.savefig(path)


def load(path: Path) -> Figures:
    """Read figures that ``--json`` printed."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    curves = ("clips", "clips_16_bit", "chain")
    return Figures(
        near_far={name: (near, far) for name, (near, far) in stored["near_far"].items()},
        floors={
            name: {int(level): words for level, words in curve.items()}
            for name, curve in stored["floors"].items()
        },
        **{name: {int(level): rate for level, rate in stored[name].items()} for name in curves},
    )


def main() -> None:
    """Measure and print."""
    parts = list(Figures.__slots__)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.levels", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/hi-ctc-base"))
    parser.add_argument("--precision", choices=("float32", "int8"), help="default: the model's")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts, help="what to measure")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--before", type=Path, help="JSON of an earlier run, to draw beside this one")
    parser.add_argument("--picture", type=Path, help="draw the error rates over the level as PNG")
    arguments = parser.parse_args()
    found = measure(Engine.load(arguments.model, precision=arguments.precision), arguments.parts)
    if arguments.picture is not None:
        draw(arguments.picture, found, load(arguments.before) if arguments.before else None)
    if arguments.json:
        print(json.dumps(asdict(found)))
    else:
        for rows in tables(found):
            Console(width=110).print(rows)


if __name__ == "__main__":
    main()
