"""``python -m benchmarks.long``: transcribe a realistic recording of three hours.

Clips of cv-hi are joined with pauses of room tone, noise and music to three hours. A new process transcribes
the recording, another one a recording of ten seconds, and both report their peak memory. The words are
compared with those of the same excerpts as separate files: each clip with 0.4 seconds of its surroundings in
the long recording.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from rich.console import Console
from rich.progress import Progress as ProgressBar
from rich.table import Table

from benchmarks.joined_recording import make
from benchmarks.recordings import ROOT, decoded, voices
from benchmarks.sounds import RATE, Samples
from modelkit import ErrorCounts, edit_counts
from speech import Engine, Progress, normalise_for_scoring
from transcript.words import Segment

MOST_EXTRA_BYTES = 200_000_000
MOST_EXTRA_WER = 0.01
"""Of a recording of WHOLE_HOURS. That of a shorter one scatters more, by the root of what it lacks."""
WHOLE_HOURS = 3.0
LONGEST_GAP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Heard:
    """The report of a process about one transcription, with progress by wall-clock seconds."""

    text: str
    audio_seconds: float
    speech_seconds: float
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    peak_columns: int
    progress: list[tuple[float, float]]

    @property
    def steps(self) -> int:
        """Number of distinct values of progress."""
        return len({part for _, part in self.progress})

    @property
    def rises(self) -> bool:
        parts = [part for _, part in self.progress]
        return parts == sorted(parts) and bool(parts) and parts[-1] == 1.0

    @property
    def longest_gap(self) -> float:
        """Longest time without progress, in wall-clock seconds."""
        moved = [0.0]
        last = 0.0
        for when, part in self.progress:
            if part > last:
                moved.append(when)
                last = part
        return max(np.diff(moved, append=self.wall_seconds).tolist())


def hear(path: Path, model: Path, on_progress: Callable[[float], None]) -> Heard:
    """Transcribe in a new process."""
    command = [sys.executable, "-m", "benchmarks.long", "--hear", str(path), "--model", str(model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:  # noqa: S603
        assert process.stdout is not None
        last: dict[str, Any] = {}
        for line in process.stdout:
            last = json.loads(line)
            if "progress" in last and "text" not in last:
                on_progress(last["progress"])
    if process.returncode or "text" not in last:
        sys.exit(f"The process that transcribed {path.name} ended with {process.returncode}.")
    return Heard(**last | {"progress": [tuple(step) for step in last["progress"]]})


def child(path: Path, model: Path) -> None:
    """Run in the process that `hear` starts: print progress, then all figures, as lines of JSON."""
    engine = Engine.load(model)
    engine.warm()
    began, cpu = time.perf_counter(), time.process_time()
    progress: list[tuple[float, float]] = []

    texts: list[str] = []
    with engine.transcribe(path) as transcription:
        for event in transcription:
            if isinstance(event, Segment):
                texts.append(event.text)
            elif isinstance(event, Progress):
                progress.append((time.perf_counter() - began, event.part))
                if int(1000 * progress[-1][1]) > (int(1000 * progress[-2][1]) if progress[1:] else 0):
                    print(json.dumps({"progress": progress[-1][1]}), flush=True)
    progress.append((time.perf_counter() - began, transcription.progress.part))
    summary = transcription.summary
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    heard = Heard(
        " ".join(texts),
        summary.seconds,
        summary.speech_seconds,
        time.perf_counter() - began,
        time.process_time() - cpu,
        peak,
        len(summary.peaks.highs),
        progress,
    )
    print(json.dumps({name: getattr(heard, name) for name in Heard.__slots__}), flush=True)


class Alone:
    """Transcribes excerpts as separate files."""

    def __init__(self, model: Path, folder: Path) -> None:
        self._engine, self._path = Engine.load(model), folder / "alone.wav"

    def errors(self, samples: Samples, text: str) -> ErrorCounts:
        soundfile.write(self._path, samples, RATE, subtype="PCM_16")
        found = " ".join(segment.text for segment in self._engine.transcribe(self._path).segments())
        return edit_counts(_words(text), _words(found))


def _words(text: str) -> list[str]:
    return normalise_for_scoring(text).split()


@dataclass(frozen=True, slots=True)
class Figure:
    """A row of the result. `reached` is None if the figure has no target."""

    name: str
    found: str
    aim: str = ""
    reached: bool | None = None


def figures(
    long: Heard, short: Heard, joined: ErrorCounts, alone: ErrorCounts, files: ErrorCounts
) -> list[Figure]:
    """Return all figures, with and without targets."""
    extra = long.peak_bytes - short.peak_bytes
    hours = long.audio_seconds / 3600
    gap = long.longest_gap
    most = MOST_EXTRA_WER * max(WHOLE_HOURS / hours, 1.0) ** 0.5
    return [
        Figure("peak memory, 10 seconds", f"{short.peak_bytes / 1e6:.0f} MB"),
        Figure(
            f"peak memory, {hours:.1f} hours",
            f"{long.peak_bytes / 1e6:.0f} MB ({extra / 1e6:+.0f})",
            f"at most {MOST_EXTRA_BYTES / 1e6:.0f} MB more",
            extra <= MOST_EXTRA_BYTES,
        ),
        Figure("WER of the excerpts alone", f"{100 * alone.rate:.2f} %"),
        Figure(
            "WER of the long recording",
            f"{100 * joined.rate:.2f} % ({100 * (joined.rate - alone.rate):+.2f})",
            f"at most {100 * most:.1f} points more",
            joined.rate - alone.rate <= most,
        ),
        Figure("WER of the clips' own files", f"{100 * files.rate:.2f} %"),
        Figure(
            "missed words per hour, alone and in the long recording",
            f"{alone.deletions / hours:.0f}, {joined.deletions / hours:.0f}",
        ),
        Figure(
            "inserted words per hour, alone and in the long recording",
            f"{alone.insertions / hours:.0f}, {joined.insertions / hours:.0f}",
        ),
        Figure("progress never falls and ends at 1", "yes" if long.rises else "no", "yes", long.rises),
        Figure("distinct values of progress", f"{long.steps}"),
        Figure(
            "longest time without progress",
            f"{gap:.1f} s",
            f"at most {LONGEST_GAP_SECONDS:.0f} s",
            gap <= LONGEST_GAP_SECONDS,
        ),
        Figure("taken for speech", f"{long.speech_seconds / long.audio_seconds:.0%}"),
        Figure("waveform", f"{long.peak_columns} columns of peaks"),
        Figure("speed, real time = 1", f"{long.audio_seconds / long.wall_seconds:.0f} times"),
        Figure("CPU seconds per hour of audio", f"{long.cpu_seconds / hours:.1f}"),
    ]


def table(rows: Sequence[Figure], seconds: float) -> Table:
    found = Table("figure", title=f"A recording of {seconds / 60:.0f} minutes")
    for column in ("found", "aim", ""):
        found.add_column(column, justify="right")
    for row in rows:
        verdict = "" if row.reached is None else "reached" if row.reached else "[bold]missed[/bold]"
        found.add_row(row.name, row.found, row.aim, verdict)
    return found


def main() -> None:
    """Measure and print. Exits with 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half an hour instead of three hours")
    parser.add_argument("--minutes", type=float, help="length of the recording")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "hi-ctc-base", help="folder")
    parser.add_argument("--hear", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.hear is not None:
        child(arguments.hear, arguments.model)
        return
    seconds = 60 * (arguments.minutes or (30 if arguments.quick else 180))
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as temporary,
        ProgressBar(console=Console(stderr=True)) as bar,
    ):
        folder = Path(temporary)
        step = bar.add_task("joining", total=None)
        made = make(folder, seconds)
        with soundfile.SoundFile(made.path) as file:
            soundfile.write(folder / "short.wav", file.read(10 * RATE), RATE)
        bar.update(step, description="ten seconds")
        short = hear(folder / "short.wav", arguments.model, lambda _: None)
        bar.update(step, description="the long recording", total=1.0)
        long = hear(made.path, arguments.model, lambda part: bar.update(step, completed=part))
        joined = edit_counts(
            [word for excerpt in made.excerpts for word in _words(excerpt.text)], _words(long.text)
        )
        listener = Alone(arguments.model, folder)
        bar.update(step, description="its clips alone", total=len(made.excerpts), completed=0)
        alone = files = ErrorCounts()
        with soundfile.SoundFile(made.path) as file:
            for excerpt in made.excerpts:
                file.seek(excerpt.begin)
                alone += listener.errors(
                    file.read(excerpt.end - excerpt.begin, dtype="float32"), excerpt.text
                )
                bar.advance(step)
        for clip in voices():
            files += listener.errors(decoded(clip.path, RATE), clip.text)
    rows = figures(long, short, joined, alone, files)
    Console(width=110).print(table(rows, made.seconds))
    sys.exit(any(row.reached is False for row in rows))


if __name__ == "__main__":
    main()
