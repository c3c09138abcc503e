"""``python -m benchmarks.stages``: CPU time of each stage of the engine, in one process, without the service.

Recordings go through the stages one after another on one thread. Of several passes the fastest counts, for
each stage of each recording: what else runs on the machine can only make a stage slower.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.recordings import clips, long
from speech import ChunkRecogniser, Engine
from speech.audio import open_audio
from speech.segments import Chunk
from speech.waveform import Painter, PeakMeter, SpectrogramMeter, paint_spectrogram

STAGES: Final = (
    "open",
    "decode",
    "peaks",
    "cut",
    "detect",
    "graph",
    "search",
    "words",
    "picture",
    "spectrogram",
)
"""In order: open the file and decode its first frame, decode and resample, measure peaks, cut into chunks,
find voice, run the features and the acoustic model, search, choose and time words, draw the waveform; measure
and draw the spectrogram, for recordings submitted with it."""

T = TypeVar("T")


class Stages:
    """Runs recordings through a loaded model, and keeps the least CPU time of each stage.

    Attributes:
        seconds: of each recording, by its path, and of each of its stages.
        audio_seconds: length of each recording.
        texts: what was recognised.
    """

    def __init__(self, folder: Path) -> None:
        self._engine = Engine.load(folder)
        self._engine.warm()
        self._painter = Painter()
        self.seconds: dict[Path, dict[str, float]] = {}
        self.audio_seconds: dict[Path, float] = {}
        self.texts: dict[Path, str] = {}

    def run(self, path: Path) -> None:
        """Process a recording once."""
        engine = self._engine
        model, decoder = engine.folder, engine.decoder
        spent = dict.fromkeys(STAGES, 0.0)

        def timed(stage: str, work: Callable[[], T]) -> T:
            began = time.process_time()
            result = work()
            spent[stage] += time.process_time() - began
            return result

        audio = timed("open", lambda: open_audio(path, model.sample_rate))
        meter, segmenter = PeakMeter(model.sample_rate), engine.segmenter()
        levels = SpectrogramMeter(model.sample_rate)
        chunks: list[Chunk] = []
        with audio:
            blocks = iter(audio)
            while (block := timed("decode", lambda: next(blocks, None))) is not None:
                samples = block[0]
                timed("peaks", lambda samples=samples: meter.push(samples))  # type: ignore[misc]
                timed("spectrogram", lambda samples=samples: levels.push(samples))  # type: ignore[misc]
                chunks += timed("cut", lambda samples=samples: segmenter.push(samples))  # type: ignore[misc]
        chunks += timed("cut", segmenter.flush)
        recogniser = ChunkRecogniser(model, engine.recogniser, engine.detector)
        texts: list[str] = []
        for chunk in chunks:
            spans = timed("detect", lambda chunk=chunk: recogniser.voiced([chunk])[0])  # type: ignore[misc]
            log_probs = timed(
                "graph",
                lambda chunk=chunk, spans=spans: recogniser.recognise_spans(chunk, spans),  # type: ignore[misc]
            )
            if log_probs is None:
                continue
            heard = timed("search", lambda log_probs=log_probs: decoder.hear(log_probs))  # type: ignore[misc]
            start, end = chunk.start_sample / model.sample_rate, chunk.end_sample / model.sample_rate
            words = timed(
                "words",
                lambda heard=heard, start=start, end=end: decoder.timed(  # type: ignore[misc]
                    decoder.plausibility.written(heard, end - start), start, end
                ),
            )
            texts += [word.text for word in words]
        peaks = timed("peaks", meter.peaks)
        timed("peaks", peaks.to_dict)
        timed("picture", lambda: self._painter.paint(peaks))
        timed("spectrogram", lambda: paint_spectrogram(self._painter, levels.spectrogram()))
        best = self.seconds.setdefault(path, spent)
        self.seconds[path] = {stage: min(best[stage], spent[stage]) for stage in STAGES}
        self.audio_seconds[path] = peaks.seconds
        self.texts[path] = " ".join(texts)

    def mean_ms(self, paths: Sequence[Path]) -> dict[str, float]:
        """Return the CPU time of each stage in milliseconds, mean over recordings."""
        return {
            stage: 1000 * float(np.mean([self.seconds[path][stage] for path in paths])) for stage in STAGES
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/hi-ctc-base"), help="model folder")
    parser.add_argument("--clips", type=int, default=40, help="number of short recordings (default 40)")
    parser.add_argument("--minutes", type=float, default=2.0, help="length of the long one (default 2)")
    parser.add_argument("--passes", type=int, default=5, help="passes over each recording (default 5)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    stages = Stages(arguments.model)
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        short = clips()[: arguments.clips]
        (joined,) = long(Path(temporary) / "long", 60 * arguments.minutes, 16_000).paths
        for _ in range(arguments.passes):
            for path in (*short, joined):
                stages.run(path)
    minutes = stages.audio_seconds[joined] / 60
    found = {
        "clip_seconds": float(np.mean([stages.audio_seconds[path] for path in short])),
        "ms_per_clip": stages.mean_ms(short),
        "ms_per_minute": {stage: ms / minutes for stage, ms in stages.mean_ms([joined]).items()},
    }
    if arguments.json:
        print(json.dumps(found))
    else:
        Console().print(table(found, len(short), minutes))


def table(found: dict[str, object], count: int, minutes: float) -> Table:
    """Make a table with a row per stage."""
    rows = Table("stage", title="CPU by stage of the engine, ms")
    rows.add_column(f"clip of {found['clip_seconds']:.1f} s (mean of {count})", justify="right")
    rows.add_column(f"minute of a recording of {minutes:.0f} min", justify="right")
    columns = [found["ms_per_clip"], found["ms_per_minute"]]
    for stage in STAGES:
        rows.add_row(stage, *(f"{column[stage]:.2f}" for column in columns))  # type: ignore[index]
    whole = [sum(column.values()) - column["spectrogram"] for column in columns]  # type: ignore[attr-defined, index]
    rows.add_row("all but the spectrogram", *(f"{milliseconds:.2f}" for milliseconds in whole))
    return rows


if __name__ == "__main__":
    main()
