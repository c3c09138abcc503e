"""The recordings of the benchmarks: real Hindi clips if available, else the samples."""

import csv
import os
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from speech.audio import open_audio

ROOT = Path(__file__).resolve().parent.parent
PAUSE_SECONDS = 0.8


@dataclass(frozen=True, slots=True)
class Workload:
    """Recordings to transcribe, one job each."""

    name: str
    paths: list[Path]


@dataclass(frozen=True, slots=True)
class Clip:
    """A short recording with its text. `words` holds start and end of each word in seconds, if known."""

    path: Path
    text: str
    words: tuple[tuple[float, float], ...] = ()


HELD_OUT_BOOKS = ("DadsBootsHindi", "TallAndShortHindiLv4")
"""Books of reader-hi that no model of this repository was trained on."""


def speech_dir() -> Path:
    return Path(os.environ.get("SHRUTLEKH_SPEECH_DIR", ROOT.parent / "shared" / "speech"))


def voices() -> list[Clip]:
    """Return the clips of cv-hi (Common Voice Hindi) with their texts.

    Raises:
        SystemExit: they are not available.
    """
    return manifest("cv-hi")


def manifest(corpus: str) -> list[Clip]:
    """Return the clips of a corpus, a folder below `speech_dir`, with their texts.

    Raises:
        SystemExit: they are not available.
    """
    folder = speech_dir() / corpus
    return [Clip(folder / row["path"], row["text"]) for row in _rows(folder / "manifest.tsv")]


def pages(held_out: bool = True) -> list[Clip]:
    """Return the pages of reader-hi's held-out books, or of all others, with the time of each word.

    Raises:
        SystemExit: they are not available.
    """
    folder = speech_dir() / "reader-hi"
    words: dict[str, list[tuple[float, float]]] = {}
    for row in _rows(folder / "word_times.tsv"):
        words.setdefault(row["path"], []).append((float(row["start"]), float(row["end"])))
    return [
        Clip(folder / row["path"], row["text"], tuple(words.get(row["path"], ())))
        for row in _rows(folder / "pages.tsv")
        if (row["speaker"] in HELD_OUT_BOOKS) == held_out
    ]


def single_words() -> list[Clip]:
    """Return the single words of reader-hi's held-out books.

    Raises:
        SystemExit: they are not available.
    """
    folder = speech_dir() / "reader-hi"
    rows = _rows(folder / "words.tsv")
    return [Clip(folder / row["path"], row["text"]) for row in rows if row["speaker"] in HELD_OUT_BOOKS]


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise SystemExit(f"{path} does not exist. Set SHRUTLEKH_SPEECH_DIR to the folder of recordings.")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def clips() -> list[Path]:
    """Return Common Voice's Hindi clips of SHRUTLEKH_SPEECH_DIR, else this repository's synthetic samples."""
    real = sorted((speech_dir() / "cv-hi" / "clips").glob("*.mp3"))
    return real or sorted((ROOT / "samples").glob("*.wav"))


def short(folder: Path, jobs: int) -> Workload:
    """Make a workload of ``jobs`` recordings of a few seconds, each with a different file name."""
    folder.mkdir(parents=True)
    paths = []
    for number, clip in zip(range(jobs), cycle(clips()), strict=False):
        paths.append(folder / f"{number:05d}{clip.suffix}")
        paths[-1].symlink_to(clip)
    return Workload(f"{jobs} clips", paths)


def long(folder: Path, seconds: float, sample_rate: int) -> Workload:
    """Make a workload of one recording of at least ``seconds``: clips joined with pauses of faint noise."""
    folder.mkdir(parents=True)
    path = folder / "long.wav"
    noise = np.random.default_rng(7)
    with soundfile.SoundFile(path, "w", sample_rate, 1, "PCM_16") as file:
        for clip in cycle(clips()):
            file.write(decoded(clip, sample_rate))
            file.write(noise.normal(0, 1e-4, int(PAUSE_SECONDS * sample_rate)).astype(np.float32))
            if file.frames >= seconds * sample_rate:
                break
        length = file.frames / sample_rate
    return Workload(f"one of {length / 60:.0f} min", [path])


def decoded(path: Path, sample_rate: int) -> npt.NDArray[np.float32]:
    """Decode a whole recording to mono, shape (samples,)."""
    with open_audio(path, sample_rate) as audio:
        blocks = [np.zeros((1, 0), np.float32), *audio]
    mono: npt.NDArray[np.float32] = np.concatenate(blocks, axis=1)[0]
    return mono
