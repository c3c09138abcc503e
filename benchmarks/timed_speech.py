"""Speech with known word times in several surroundings, and sounds without speech."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.recordings import decoded, pages, voices
from benchmarks.sounds import RATE, SOUNDS, Samples, band, levelled, mixed, room, street, white
from speech import Engine
from speech.decoding import GreedyDecoder
from speech.recognisers import as_ctc

Span = tuple[float, float]
"""Start and end in seconds."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A recording with the times of its words in seconds."""

    name: str
    samples: Samples
    words: Sequence[Span]


def spoken(engine: Engine) -> list[tuple[Samples, Sequence[Span]]]:
    """Return clips with the times of their words."""
    model = engine.folder
    greedy = GreedyDecoder(model.tokens, model.blank_id, model.frame_stride)
    found: list[tuple[Samples, Sequence[Span]]] = [
        (decoded(page.path, RATE), page.words) for page in pages() if page.words
    ]
    for clip in voices():
        samples = decoded(clip.path, RATE)
        words = greedy.words(as_ctc(engine.recogniser).log_probs([samples])[0])
        found.append((samples, [(word.start, word.end) for word in words]))
    return found


def recordings(clips: Sequence[tuple[Samples, Sequence[Span]]]) -> list[Spoken]:
    """Join all clips, with pauses of one to four seconds, in several surroundings."""
    dice = np.random.default_rng(11)
    parts, words, position = [], list[Span](), 0
    for index in dice.permutation(len(clips)):
        samples, spans = clips[index]
        samples = levelled(samples, -23.0)
        pause = np.zeros(round(dice.uniform(1.0, 4.0) * RATE), np.float32)
        words += [(begin + position / RATE, end + position / RATE) for begin, end in spans]
        parts += [samples, pause]
        position += len(samples) + len(pause)
    signal = np.concatenate(parts)
    quiet = signal + 0.01 * room(position / RATE + 1, 1)[:position]
    found = [Spoken("room tone at -60 dB", quiet, words)]
    for name, sound, snr in (
        ("white noise, 10 dB", white, 10.0),
        ("white noise, 0 dB", white, 0.0),
        ("street, 5 dB", street, 5.0),
        ("band, 10 dB", band, 10.0),
        ("band, 5 dB", band, 5.0),
    ):
        found.append(Spoken(name, mixed(signal, sound(position / RATE + 1, 2), snr), words))
    return found


def silences(seconds: float) -> list[Spoken]:
    """Make sounds without speech, loud and soft."""
    return [
        Spoken(f"{name}, {level:.0f} dB", levelled(make(seconds, 4), level), [])
        for name, make in SOUNDS.items()
        for level in (-20.0, -45.0)
    ]
