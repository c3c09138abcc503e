"""Compare word times with recordings whose words were timed by hand."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelkit.decoding.alignment import align
from modelkit.description import read_description, write_description
from modelkit.measuring.matching import matches
from speech import WORD_MARK, ModelFolder, Utterance, normalise_for_scoring
from speech.audio import open_audio
from speech.decoding import Decoder, Heard, PathReader, WordTimes
from speech.recognisers import Recogniser, as_ctc

Floats = npt.NDArray[np.float64]

FRAME_SECONDS = 0.01
SILENCE_DB = 35.0
"""Frames quieter than the recording's 95th percentile by more than this (decibels) count as silence."""
GATE_DB = -60.0

GRID = np.arange(-10, 16) / 100
"""Seconds to try for each of the two `WordTimes`."""


@dataclass(frozen=True, slots=True)
class Timed:
    """The words of a recording with their true times in seconds.

    Attributes:
        cuts: start and end as marked, NaN if not marked, shape (words, 2).
        sounds: the same without the silence at both ends of a word, shape (words, 2).
    """

    words: tuple[str, ...]
    cuts: Floats
    sounds: Floats


def read_word_times(path: Path) -> dict[Path, list[tuple[str, float, float]]]:
    """Read word, start and end by recording from a TSV with the columns path, start, end and word.

    Raises:
        ValueError: a column is missing or a time is not a number.
    """
    found: dict[Path, list[tuple[str, float, float]]] = {}
    with path.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
        missing = {"path", "start", "end", "word"} - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"{path} lacks the column {', '.join(sorted(missing))}.")
        for row in reader:
            word = normalise_for_scoring(row["word"])
            times = float(row["start"]), float(row["end"])
            found.setdefault(path.parent / row["path"], []).append((word, *times))
    return found


def without_silence(waveform: npt.NDArray[np.float32], rate: int, cuts: Floats) -> Floats:
    """Shrink each of `cuts` to its part that is not silent: start and end in seconds, shape (words, 2)."""
    hop = round(rate * FRAME_SECONDS)
    count = len(waveform) // hop
    if not count:
        return cuts
    power = np.square(waveform[: count * hop].astype(np.float64).reshape(count, hop)).mean(axis=1)
    levels = 10.0 * np.log10(power + 1e-12)
    loud = levels > max(float(np.percentile(levels, 95)) - SILENCE_DB, GATE_DB)
    found = cuts.copy()
    for row in np.flatnonzero(np.isfinite(cuts).all(axis=1)):
        start, end = np.rint(cuts[row] / FRAME_SECONDS).astype(int)
        heard = np.flatnonzero(loud[start:end])
        if len(heard):
            found[row] = (start + heard[0]) * FRAME_SECONDS, (start + heard[-1] + 1) * FRAME_SECONDS
    return np.clip(found, cuts[:, :1], cuts[:, 1:])


def read_waveform(path: Path, rate: int) -> npt.NDArray[np.float32]:
    """Read a whole recording, mixed to one channel. Raises SpeechError."""
    with open_audio(path, rate) as audio:
        return np.concatenate([block.mean(axis=0) for block in audio] or [np.zeros(0, np.float32)])


def timed(waveform: npt.NDArray[np.float32], rate: int, words: Sequence[tuple[str, float, float]]) -> Timed:
    """Make the true times of one recording."""
    cuts = np.array([times for _, *times in words], np.float64)
    return Timed(tuple(word for word, _, _ in words), cuts, without_silence(waveform, rate, cuts))


def align_words(
    model: ModelFolder, recogniser: Recogniser[Any], waveform: npt.NDArray[np.float32], words: Sequence[str]
) -> Heard | None:
    """Find the words of a recording by forced alignment.

    Returns None if the tokens cannot spell a word, or if the recording is too long for the model or too short
    for the words.
    """
    ids = {token: index for index, token in enumerate(model.tokens)}
    spelling = [ids.get(letter, -1) for letter in WORD_MARK.join(words)]
    seconds = len(waveform) / model.sample_rate
    if not spelling or -1 in spelling or seconds > model.max_segment_seconds:
        return None
    log_probs = as_ctc(recogniser).log_probs([waveform])[0]
    path = align(log_probs, spelling, model.blank_id)
    if path is None:
        return None
    return PathReader(model.tokens, model.blank_id, model.frame_stride).hear(path, log_probs)


def aligned_times(model: ModelFolder, heard: Heard, times: WordTimes, seconds: float) -> Floats:
    """Return start and end of aligned words, shape (words, 2)."""
    reader = PathReader(model.tokens, model.blank_id, model.frame_stride, times)
    words = reader.words(heard, None, 0.0, seconds)
    return np.array([(word.start, word.end) for word in words]).reshape(-1, 2)


def decoded_times(
    decoder: Decoder[Any], utterances: Sequence[Utterance], words: Sequence[str]
) -> tuple[list[int], Floats]:
    """Return the indices of the `words` that a decoder got right, and their times, shape (right, 2)."""
    found = [word for one in utterances for word in decoder.words(one.emission, one.start, one.end)]
    pairs = matches(words, [normalise_for_scoring(word.text) for word in found])
    times = [(found[position].start, found[position].end) for _, position in pairs]
    return [position for position, _ in pairs], np.array(times).reshape(-1, 2)


def fit(model: ModelFolder, aligned: Sequence[tuple[Heard, Timed, float]]) -> WordTimes:
    """Find the times with the smallest mean absolute error of starts and ends, on a grid of 10 ms.

    Args:
        aligned: words of `align_words`, their true times, and the recording's length in seconds.
    """

    def error(times: WordTimes) -> float:
        errors = [
            np.abs(aligned_times(model, heard, times, seconds) - truth.sounds)
            for heard, truth, seconds in aligned
        ]
        return float(np.nanmean(np.concatenate(errors)))

    best = WordTimes()
    for _ in range(2):  # a word's end is limited by the next one's start, so the two depend on each other
        best = min((WordTimes(float(value), best.end) for value in GRID), key=error)
        best = min((WordTimes(best.start, float(value)) for value in GRID), key=error)
    return best


def record_times(folder: Path, times: WordTimes) -> None:
    """Record times in model.json."""
    entries = read_description(folder)
    kept = {"start": times.start, "end": times.end}
    write_description(folder, {**entries, "decoding": {**entries.get("decoding", {}), "times": kept}})
