"""Compare two models on the same recordings: their error rates, the difference, and their CPU time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from modelkit.measuring.evaluation import RESAMPLES, Rate, Scored, rates, scored, transcribe
from modelkit.measuring.manifest import Entry, require_recordings
from speech import Engine


@dataclass(frozen=True, slots=True)
class Run:
    """One model on all recordings. `cpu_seconds` are those of this process for each second of audio."""

    name: str
    results: list[Scored]
    cpu_seconds: float

    @property
    def rates(self) -> dict[str, Rate]:
        return rates(self.results)


@dataclass(frozen=True, slots=True)
class Difference:
    """WER of the second model less that of the first, with its 95 % bootstrap interval over recordings.

    Attributes:
        better: the share of resamples in which the second model has the lower WER.
    """

    value: float
    low: float
    high: float
    better: float


def run_both(
    engines: Sequence[tuple[str, Engine]], entries: Sequence[Entry], advance: Callable[[], None]
) -> list[Run]:
    """Transcribe every recording with every engine, in turns. `advance` is called after each of them.

    Raises:
        FileNotFoundError: recordings are missing.
        SpeechError: a recording cannot be read. A note names it.
    """
    require_recordings(entries)
    results: list[list[Scored]] = [[] for _ in engines]
    spent = [0.0] * len(engines)
    for entry in entries:
        for number, (_, engine) in enumerate(engines):
            began = time.process_time()
            try:
                text, seconds = transcribe(engine, entry.path)
            except Exception as error:
                error.add_note(f"while transcribing {entry.path}")
                raise
            spent[number] += time.process_time() - began
            results[number].append(scored(entry, text, seconds))
            advance()
    audio = sum(result.seconds for result in results[0]) or 1.0
    return [
        Run(name, found, cpu / audio) for (name, _), found, cpu in zip(engines, results, spent, strict=True)
    ]


def difference(first: Sequence[Scored], second: Sequence[Scored], seed: int = 0) -> Difference:
    """Compute the difference of two corpus WERs on the same recordings, resampled together.

    M. Bisani, H. Ney, "Bootstrap Estimates for Confidence Intervals in ASR Performance Evaluation"
    (ICASSP 2004).
    """
    lengths = np.array([result.words.reference_length for result in first])
    more = np.array([b.words.errors - a.words.errors for a, b in zip(first, second, strict=True)])
    drawn = np.random.default_rng(seed).integers(len(more), size=(RESAMPLES, len(more)))
    found = more[drawn].sum(axis=1) / np.maximum(lengths[drawn].sum(axis=1), 1)
    low, high = np.quantile(found, [0.025, 0.975])
    value = float(more.sum() / max(lengths.sum(), 1))
    return Difference(value, float(low), float(high), float((found < 0).mean()))
