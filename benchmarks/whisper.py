"""Whisper base through this engine's recogniser and through faster-whisper: texts, CPU time and WER.

``python -m benchmarks.whisper`` downloads the model once (140 MB). Both programs hear the same clips, one
after the other, on one thread: greedy, told Hindi, without times, without faster-whisper's guards.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.whisper_base import whisper_base
from modelkit.measuring.manifest import read_manifest
from modelkit.measuring.scoring import corpus_errors, word_errors
from speech import ModelFolder, normalise_for_scoring
from speech.audio import open_audio
from speech.recognisers import load_recogniser

ROOT = Path(__file__).resolve().parent.parent
Waveform = npt.NDArray[np.float32]


def ours(folder: Path, precision: str) -> Callable[[Waveform], str]:
    """Load the model. Returns a function from a waveform to its text."""
    recogniser = load_recogniser(ModelFolder.load(folder), 1, precision)
    return lambda waveform: " ".join(recogniser.emissions([waveform])[0].heard.texts)


def faster_whisper(folder: Path, precision: str) -> Callable[[Waveform], str]:
    """Load the model. Returns a function from a waveform to its text."""
    from faster_whisper import WhisperModel

    model = WhisperModel(str(folder), device="cpu", compute_type=precision, cpu_threads=1)

    def text(waveform: Waveform) -> str:
        segments, _ = model.transcribe(
            waveform,
            language="hi",
            beam_size=1,
            temperature=0,
            without_timestamps=True,
            condition_on_previous_text=False,
            compression_ratio_threshold=None,
            log_prob_threshold=None,
            no_speech_threshold=None,
        )
        return " ".join(segment.text for segment in segments)

    return text


def timed(program: Callable[[Waveform], str], waveform: Waveform) -> tuple[str, float]:
    """Return the text and the CPU seconds that it took."""
    begin = time.process_time()
    text = program(waveform)
    return text, time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", type=Path, default=ROOT / "samples" / "manifest.tsv")
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--cache", type=Path, default=ROOT / ".work" / "whisper")
    options = parser.parse_args()
    folder = whisper_base(options.cache, "zero")
    entries = read_manifest(options.manifest)[: options.clips]
    table = Table("precision", "same text", "WER ours", "WER theirs", "CPU s ours", "CPU s theirs", "ratio")
    console = Console()
    for precision in ("float32", "int8"):
        programs = ours(folder, precision), faster_whisper(folder, precision)
        for program in programs:
            program(np.zeros(16_000, np.float32))
        seconds = np.zeros(2)
        errors = []
        same = 0
        for entry in entries:
            with open_audio(entry.path, 16_000) as audio:
                waveform = np.concatenate(list(audio), axis=1)[0]
            texts, taken = zip(*(timed(program, waveform) for program in programs), strict=True)
            agrees = len({normalise_for_scoring(text) for text in texts}) == 1
            console.print(f"{precision} {entry.path.name}: {'same' if agrees else 'different'}")
            same += agrees
            seconds += taken
            errors.append([word_errors(entry.text, text) for text in texts])
        rates = [f"{100 * corpus_errors(counts).rate:.1f} %" for counts in zip(*errors, strict=True)]
        table.add_row(
            precision,
            f"{same} of {len(entries)}",
            *rates,
            *(f"{each:.1f}" for each in seconds),
            f"{seconds[0] / seconds[1]:.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    main()
