"""Error rates by group of recordings: speaker, gender, length, speaking rate, noise, telephone line."""

import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from modelkit.decoding.timing import read_waveform
from modelkit.measuring.evaluation import Scored, score_model
from modelkit.measuring.manifest import Entry
from modelkit.measuring.scoring import corpus_errors
from speech import Engine, normalise_for_scoring

RATE = 16000
TELEPHONE_RATE, TELEPHONE_BAND = 8000, (300.0, 3400.0)
_FRAME = RATE // 40
_FADED = 1e-10

# Upper bounds of the groups; the last group has none.
LENGTHS = (3.0, 5.0)
NOISES = (40.0, 50.0)
RATES = (8.0, 11.0)


@dataclass(frozen=True, slots=True)
class Facts:
    """Measurements of one recording.

    Attributes:
        seconds: length.
        signal_to_noise: decibels, see `signal_to_noise`.
        rate: characters of the text, without spaces, per second of speech: from the first to the last frame
            that is louder than the middle, in decibels, between noise and speech.
    """

    seconds: float
    signal_to_noise: float
    rate: float


@dataclass(frozen=True, slots=True)
class Row:
    """A group of recordings, with word and character error rates by decoder."""

    kind: str
    group: str
    recordings: int
    words: int
    rates: Mapping[str, tuple[float, float]]


def levels(waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Compute the power of each 25 ms in dBFS. `waveform`: shape (samples,), at `RATE`."""
    count = max(1, len(waveform) // _FRAME)
    padded = np.zeros(max(len(waveform), _FRAME), np.float64)
    padded[: len(waveform)] = waveform
    power = np.square(padded[: count * _FRAME]).reshape(count, _FRAME).mean(axis=1)
    found: npt.NDArray[np.float64] = 10.0 * np.log10(power + _FADED)
    return found


def signal_to_noise(levels_: npt.NDArray[np.float64]) -> float:
    """Estimate the signal-to-noise ratio in decibels.

    The quietest tenth of the frames counts as noise, the loudest fifth as speech, like the percentile method
    of NIST's STNR. The estimate is good enough to rank recordings: it is too high if silence was muted, and
    too low if nobody pauses.
    """
    noise, speech = np.quantile(levels_, [0.1, 0.8])
    return float(speech - noise)


def facts_of(entry: Entry) -> Facts:
    """Decode and measure one recording. Raises SpeechError."""
    waveform = read_waveform(entry.path, RATE)
    found = levels(waveform)
    loud = np.flatnonzero(found > np.quantile(found, [0.1, 0.8]).mean())
    spoken = (loud[-1] - loud[0] + 1) * _FRAME / RATE if len(loud) else len(waveform) / RATE
    letters = len(normalise_for_scoring(entry.text).replace(" ", ""))
    return Facts(len(waveform) / RATE, signal_to_noise(found), letters / max(spoken, _FRAME / RATE))


def telephoned(waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Limit `waveform`, shape (samples,) at `RATE`, to the telephone band of 300 to 3,400 Hz, at 8 kHz."""
    narrow = soxr.resample(waveform, RATE, TELEPHONE_RATE)
    spectrum = np.fft.rfft(narrow)
    hertz = np.fft.rfftfreq(len(narrow), 1 / TELEPHONE_RATE)
    low, high = TELEPHONE_BAND
    octaves = np.maximum(
        0.0, np.maximum(np.log2(low / np.maximum(hertz, 1.0)), np.log2(np.maximum(hertz, 1.0) / high))
    )
    made: npt.NDArray[np.float32] = np.fft.irfft(
        spectrum * 10.0 ** (-24.0 * octaves / 20.0), len(narrow)
    ).astype(np.float32)
    return made


def write_telephoned(entries: Iterable[Entry], folder: Path) -> Iterator[Entry]:
    """Write the entries as `telephoned` 8 kHz mu-law files (G.711) to `folder`, and yield the new entries."""
    for number, entry in enumerate(entries):
        path = folder / f"{number}.wav"
        soundfile.write(
            path,
            np.clip(telephoned(read_waveform(entry.path, RATE)), -1.0, 1.0),
            TELEPHONE_RATE,
            subtype="ULAW",
        )
        yield replace(entry, path=path)


def breakdown(
    engines: Mapping[str, Engine], entries: Sequence[Entry], advance: Callable[[], None] = lambda: None
) -> list[Row]:
    """Measure the error rates of every group of the entries, by decoder.

    Args:
        engines: engines by name of their decoder.
        advance: called after each recording and decoder, including telephone recordings.

    Raises:
        SpeechError: a recording cannot be read.
    """
    facts = [facts_of(entry) for entry in entries]
    plain = {name: score_model(engine, entries, advance) for name, engine in engines.items()}
    with tempfile.TemporaryDirectory() as folder:
        called = list(write_telephoned(entries, Path(folder)))
        calls = {name: score_model(engine, called, advance) for name, engine in engines.items()}
    kinds: list[tuple[str, list[str]]] = [
        ("speaker", [e.speaker or "?" for e in entries]),
        ("gender", [e.gender for e in entries]),
        ("length", [_band(f.seconds, LENGTHS, "s") for f in facts]),
        ("speaking rate", [_band(f.rate, RATES, "characters/s") for f in facts]),
        ("signal to noise", [_band(f.signal_to_noise, NOISES, "dB") for f in facts]),
    ]
    rows = [_row("all", "", plain, range(len(entries)))]
    for kind, groups in kinds:
        for group in sorted(set(groups), key=_order):
            chosen = [i for i, other in enumerate(groups) if other == group]
            rows += [_row(kind, group, plain, chosen)] if group else []
    rows.append(_row("telephone", "8 kHz, 300 to 3,400 Hz, mu-law", calls, range(len(entries))))
    return rows


def _band(value: float, bounds: tuple[float, ...], unit: str) -> str:
    place = bisect_right(bounds, value)
    if place == 0:
        return f"under {bounds[0]:g} {unit}"
    if place == len(bounds):
        return f"from {bounds[-1]:g} {unit}"
    return f"{bounds[place - 1]:g} to {bounds[place]:g} {unit}"


def _order(group: str) -> tuple[int, str]:
    return ({"under": 0, "from": 2}.get(group.split()[0], 1) if " " in group else 1, group)


def _row(kind: str, group: str, results: Mapping[str, Sequence[Scored]], chosen: Iterable[int]) -> Row:
    indices = list(chosen)
    rates = {}
    words = 0
    for name, scored in results.items():
        wer = corpus_errors(scored[i].words for i in indices)
        cer = corpus_errors(scored[i].characters for i in indices)
        rates[name], words = (wer.rate, cer.rate), wer.reference_length
    return Row(kind, group, len(indices), words, rates)


def markdown(rows: Sequence[Row]) -> str:
    """Format the rows as a Markdown table for a model card."""
    names = list(rows[0].rates)
    head = ["by", "group", "clips", "words", *(f"{rate} {name}" for rate in ("WER", "CER") for name in names)]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        rates = [f"{100 * row.rates[name][which]:.1f} %" for which in (0, 1) for name in names]
        lines.append([row.kind, row.group, str(row.recordings), str(row.words), *rates])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_card(card: Path, name: str, table: str) -> None:
    """Insert `table` into a model card between the markers of the table called `name`.

    Raises:
        ValueError: the card lacks the markers.
    """
    begin, end = f"<!-- breakdown: {name} -->", "<!-- end of breakdown -->"
    text = card.read_text(encoding="utf-8")
    before, mark, rest = text.partition(begin)
    _, stop, after = rest.partition(end)
    if not mark or not stop:
        raise ValueError(f"{card} lacks the lines {begin!r} and {end!r} that enclose the table.")
    card.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")
