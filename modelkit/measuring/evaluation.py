"""Measure the error rates of a model, or of transcripts from elsewhere, on a manifest."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modelkit.measuring.hypotheses import find_transcripts
from modelkit.measuring.manifest import Entry, require_recordings
from modelkit.measuring.scoring import ErrorCounts, character_errors, corpus_errors, word_errors
from modelkit.measuring.spelling_variants import FOLDING, fold
from speech import NORMALISER, Engine, SpeechError

RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Scored:
    """The hypothesis of one recording, with its edits against the reference.

    Edits are counted strictly and with spelling variants folded.
    """

    entry: Entry
    hypothesis: str
    seconds: float
    words: ErrorCounts
    characters: ErrorCounts
    words_folded: ErrorCounts
    characters_folded: ErrorCounts


@dataclass(frozen=True, slots=True)
class Rate:
    """A corpus error rate with its 95 % bootstrap interval over recordings."""

    value: float
    low: float
    high: float


def transcribe(engine: Engine, path: Path) -> tuple[str, float]:
    """Transcribe one recording. Returns its text and its length in seconds. Raises SpeechError."""
    with engine.transcribe(path) as transcription:
        text = " ".join(segment.text for segment in transcription.segments())
        return text, transcription.summary.seconds


def scored(entry: Entry, hypothesis: str, seconds: float) -> Scored:
    return Scored(
        entry,
        hypothesis,
        seconds,
        word_errors(entry.text, hypothesis),
        character_errors(entry.text, hypothesis),
        word_errors(entry.text, hypothesis, fold),
        character_errors(entry.text, hypothesis, fold),
    )


def score_model(engine: Engine, entries: Iterable[Entry], advance: Callable[[], None]) -> list[Scored]:
    """Run the engine on every entry. `advance` is called after each.

    Raises:
        FileNotFoundError: recordings are missing.
        SpeechError: a recording of the manifest cannot be read. A note names it.
    """
    entries = list(entries)
    require_recordings(entries)
    results = []
    for entry in entries:
        try:
            text, seconds = transcribe(engine, entry.path)
        except SpeechError as error:
            error.add_note(f"while evaluating {entry.path}")
            raise
        results.append(scored(entry, text, seconds))
        advance()
    return results


def score_hypotheses(folder: Path, entries: Iterable[Entry]) -> list[Scored]:
    """Score the transcript in `folder` of each entry. The lengths are unknown and set to 0.

    Raises:
        FileNotFoundError: transcripts are missing. Skipping them would improve the rates.
        ValueError: a transcript is that of several entries, or not UTF-8 text.
    """
    entries = list(entries)
    texts = find_transcripts(folder, [entry.path for entry in entries])
    return [scored(entry, _read(texts[entry.path]), 0.0) for entry in entries]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text.") from error


def rate(counts: list[ErrorCounts], seed: int = 0) -> Rate:
    """Compute a corpus error rate, with an interval by resampling recordings with replacement.

    M. Bisani, H. Ney, "Bootstrap Estimates for Confidence Intervals in ASR Performance Evaluation"
    (ICASSP 2004).
    """
    total = corpus_errors(counts).rate
    errors = np.array([c.errors for c in counts])
    lengths = np.array([c.reference_length for c in counts])
    if not len(counts) or not lengths.sum():
        return Rate(total, total, total)
    drawn = np.random.default_rng(seed).integers(len(counts), size=(RESAMPLES, len(counts)))
    rates = errors[drawn].sum(axis=1) / np.maximum(lengths[drawn].sum(axis=1), 1)
    low, high = np.quantile(rates, [0.025, 0.975])
    return Rate(total, float(low), float(high))


def by_speaker(results: list[Scored]) -> dict[str, list[Scored]]:
    """Group results by speaker, sorted by name."""
    groups: dict[str, list[Scored]] = {}
    for result in results:
        groups.setdefault(result.entry.speaker, []).append(result)
    return dict(sorted(groups.items()))


def rates(results: list[Scored]) -> dict[str, Rate]:
    """Compute the corpus rates, by their names in model.json: strict, and with spelling variants folded."""
    return {
        "wer": rate([r.words for r in results]),
        "cer": rate([r.characters for r in results]),
        "wer_folded": rate([r.words_folded for r in results]),
        "cer_folded": rate([r.characters_folded for r in results]),
    }


def summary(name: str, results: list[Scored], decoder: str = "greedy") -> dict[str, Any]:
    """Return the figures in the form of model.json and ``--json``. `decoder` names the decoder used."""
    figures: dict[str, Any] = {
        "set": name,
        "clips": len(results),
        "speakers": len(by_speaker(results)),
        "seconds": round(sum(r.seconds for r in results), 1),
        "decoder": decoder,
    }
    for key, found in rates(results).items():
        figures[key] = round(found.value, 4)
        figures[f"{key}_interval"] = [round(found.low, 4), round(found.high, 4)]
    return {**figures, "normaliser": NORMALISER, "folding": FOLDING}
