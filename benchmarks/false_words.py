"""``python -m benchmarks.false_words``: count words written where nobody speaks, and spoken words lost.

Sounds without speech (`benchmarks.nonspeech`) are transcribed with and without the voice detector. The latter
shows what the floor stops on its own. The recordings of cv-hi, the held-out pages of reader-hi
and the single words of their books are transcribed in several surroundings. All figures are before and after
the floor and the repetition guard of `speech.decoding.plausibility`.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr
from rich.console import Console
from rich.progress import track
from rich.table import Table
from shrutlekh_contract.decoders import DECODERS

from benchmarks.nonspeech import (
    PACKAGES,
    Nonspeech,
    generated,
    missing_packages,
    packaged,
    pauses,
    speech_shaped,
)
from benchmarks.recordings import Clip, decoded, pages, single_words, voices
from benchmarks.sounds import RATE, Samples, band, levelled, mixed, room, street, white
from benchmarks.telephone import band_limited
from modelkit.measuring.matching import matches
from modelkit.measuring.scoring import word_errors
from speech import Engine, Utterance, normalise_for_scoring

SHORTEST = 5.0
"""Seconds of a sound without speech below which words per hour mean nothing."""

NOISE_DB = -20.0
"""Level of the sounds without speech (RMS) in dBFS."""

Change = Callable[[Samples], Samples]
BeforeAfter = tuple[list[str], list[str]]
"""The words of a recording, all of them and those written."""


def hear(engine: Engine, samples: Samples, detect: bool = True) -> dict[str, BeforeAfter]:
    """Transcribe a waveform with each decoder."""
    detector = engine.detector
    engine.detector = detector if detect else None
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sound.wav"
            soundfile.write(path, np.clip(samples, -1.0, 1.0), RATE, subtype="PCM_24")
            utterances = list(engine.posteriors(path))
    finally:
        engine.detector = detector
    return {name: _words(engine, name, utterances) for name in DECODERS}


def _words(engine: Engine, decoder_name: str, utterances: Sequence[Utterance]) -> BeforeAfter:
    decoder = engine.decoder_named(decoder_name)
    before, after = list[str](), list[str]()
    for utterance in utterances:
        heard = decoder.hear(utterance.emission)
        before += heard.texts
        after += decoder.plausibility.written(heard, utterance.end - utterance.start).texts
    return before, after


def behind(make: Callable[[float, int], Samples], snr_db: float) -> Change:
    sound = levelled(make(20.0, 3))
    return lambda samples: mixed(samples, np.resize(sound, len(samples)), snr_db)


def telephone_band(samples: Samples) -> Samples:
    narrow = np.clip(band_limited(soxr.resample(samples, RATE, 8000, quality="HQ"), 8000), -1, 1)
    return np.asarray(soxr.resample(narrow, 8000, RATE, quality="HQ"), np.float32)


def shaped(seconds: float, seed: int) -> Samples:
    return levelled(speech_shaped(0.0)(seconds, seed))


SURROUNDINGS: dict[str, Change] = {
    "as recorded": lambda samples: samples,
    "telephone band": telephone_band,
    "30 dB lower": lambda samples: samples * np.float32(10**-1.5),
    **{
        f"{name}, {snr} dB": behind(make, snr)
        for name, make in (("white noise", white), ("street", street), ("speech-shaped noise", shaped))
        for snr in (20, 10, 5)
    },
    "band, 10 dB": behind(band, 10),
}


def alone(samples: Samples) -> Samples:
    """A word with half a second of silence on both sides."""
    return np.pad(levelled(samples, -23.0), RATE // 2)


def sparse(samples: Samples) -> Samples:
    """A word in six seconds of room tone, 20 dB below it."""
    return np.asarray(
        np.pad(levelled(samples, -23.0), 3 * RATE) + levelled(room(10.0), -43.0)[: len(samples) + 6 * RATE]
    )


def nonspeech(engine: Engine, seconds: float) -> Iterator[Nonspeech]:
    """All sounds without speech, each cut to `seconds`, joined ones to three times as many."""
    parts: Iterable[Iterable[Nonspeech]] = (generated(seconds), *map(packaged, PACKAGES), pauses(engine))
    for part in parts:
        for sound in part:
            longest = seconds * (3 if sound.joined else 1)
            yield replace(sound, samples=sound.samples[: round(longest * RATE)])


@dataclass(slots=True)
class Tally:
    """The words written for sounds without speech.

    Attributes:
        words: before and after with the detector, then without it, by decoder.
    """

    seconds: float = 0.0
    words: dict[str, list[int]] = field(default_factory=lambda: {name: [0] * 4 for name in DECODERS})

    def add(self, seconds: float, found: Sequence[dict[str, BeforeAfter]]) -> None:
        self.seconds += seconds
        for name, counts in self.words.items():
            for place, words in enumerate(words for one in found for words in one[name]):
                counts[place] += len(words)

    def cells(self) -> list[str]:
        """Words per hour, by decoder."""
        hourly = [[f"{3600 * n / self.seconds:.0f}" for n in counts] for counts in self.words.values()]
        return [f"{before} to {after} ({alone} to {floored})" for before, after, alone, floored in hourly]


def count_false(engine: Engine, seconds: float, console: Console) -> Table:
    """Count the words written for sounds without speech, by kind."""
    table = Table(
        "sound", "held out", "seconds", title="False words per hour, with (and without) the detector"
    )
    for name in DECODERS:
        table.add_column(name, justify="right")
    totals: dict[bool, Tally] = {False: Tally(), True: Tally()}
    tallies: dict[tuple[str, bool], Tally] = {}
    sounds = [sound for sound in nonspeech(engine, seconds) if len(sound.samples) >= SHORTEST * RATE]
    for sound in track(sounds, console=console, description="without speech"):
        samples = levelled(sound.samples, NOISE_DB)
        found = [hear(engine, samples, detect) for detect in (True, False)]
        for tally in (tallies.setdefault((sound.group, sound.held_out), Tally()), totals[sound.held_out]):
            tally.add(len(samples) / RATE, found)
    for (group, held_out), tally in tallies.items():
        table.add_row(group, "yes" if held_out else "", f"{tally.seconds:.0f}", *tally.cells())
    for held_out, tally in totals.items():
        title = "all held out" if held_out else "all for choosing"
        table.add_row(title, "yes" if held_out else "", f"{tally.seconds:.0f}", *tally.cells())
    return table


def count_lost(engine: Engine, console: Console) -> Table:
    """Count the words of speech that are lost, by surroundings."""
    table = Table("speech", title="WER before and after; right words lost, of right words")
    for name in DECODERS:
        table.add_column(name, justify="right")
    sentences = {"cv-hi": voices(), "reader-hi held-out pages": pages()}
    work = [
        (f"{corpus}, {surroundings}", clips, change)
        for corpus, clips in sentences.items()
        for surroundings, change in SURROUNDINGS.items()
    ]
    work += [
        ("single words", single_words(), alone),
        ("single words in 6 s of room tone", single_words()[::3], sparse),
    ]
    for label, clips, change in track(work, console=console, description="speech"):
        table.add_row(label, *_lost(engine, clips, change))
    return table


def _lost(engine: Engine, clips: Sequence[Clip], change: Change) -> list[str]:
    totals = {name: np.zeros(5, int) for name in DECODERS}
    for clip in clips:
        said = normalise_for_scoring(clip.text).split()
        for name, both in hear(engine, change(decoded(clip.path, RATE))).items():
            texts = [normalise_for_scoring(" ".join(words)) for words in both]
            errors = [word_errors(clip.text, text).errors for text in texts]
            right = [len(matches(said, text.split())) for text in texts]
            totals[name] += [*errors, *right, len(said)]
    return [
        f"{before / words:.1%} to {after / words:.1%}; {right - kept} of {right}"
        for before, after, right, kept, words in (totals[name].tolist() for name in DECODERS)
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.false_words", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/hi-ctc-base"))
    parser.add_argument("--precision", choices=("float32", "int8"), help="the model's own is the default")
    parser.add_argument("--seconds", type=float, default=40.0, help="longest part of a sound that is used")
    parser.add_argument("--only", choices=("sounds", "speech"), help="measure only one half")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    if missing := missing_packages():
        console.print(f"Not measured, because these packages are not installed: {', '.join(missing)}.")
    engine = Engine.load(arguments.model, precision=arguments.precision)
    engine.warm()
    wide = Console(width=160)
    if arguments.only != "speech":
        wide.print(count_false(engine, arguments.seconds, console))
    if arguments.only != "sounds":
        wide.print(count_lost(engine, console))


if __name__ == "__main__":
    main()
