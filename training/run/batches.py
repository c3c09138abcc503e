"""Combine clips: rows of joined clips, and batches of rows of similar length.

Everything is determined by the seed, so a resumed run sees the same batches as an uninterrupted one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from training.corpora.store import Clip, Symbols
from training.recipe import SAMPLE_RATE, SHARES
from training.text.spelling import WORD_GAP, characters_of

Rng = np.random.Generator

POOL_ROWS = 600
"""Rows drawn at once and sorted by length. More rows need less padding but mix batches less."""
JOIN_CHANCE, MOST_CLIPS, JOINED_SECONDS = 0.35, 3, 15.0
SPEED_CHANCE, SPEEDS, JOINED_SPEEDS = 0.8, (0.87, 1.16), (0.9, 1.12)
"""Speed factors of a row's first clip, and of a joined clip that does not keep the first one's speed."""
GAP_SECONDS = (0.02, 0.6)
EDGE_SECONDS, LONG_EDGE_SECONDS, LONG_EDGE_CHANCE = 0.3, 2.0, 0.25
"""Seconds of silence before and after the speech, in most rows and in the others."""
_DURATION_POWER = 0.7
"""Exponent of a clip's length in its draw weight: twice the length is drawn 2 ** 0.7 times as often."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A clip in a row: `samples` samples of the store from `offset`, played `factor` times as fast.

    It occupies `length` samples of the row from `start` on.
    """

    offset: int
    samples: int
    factor: float
    start: int
    length: int


@dataclass(slots=True)
class Row:
    """An utterance of a batch: pieces, length in samples, target ids. Without characters if not spelt."""

    pieces: list[Piece] = field(default_factory=list)
    samples: int = 0
    phones: list[int] = field(default_factory=list)
    characters: list[int] = field(default_factory=list)


def _samples(rng: Rng, seconds: tuple[float, float]) -> int:
    return int(rng.uniform(*seconds) * SAMPLE_RATE)


def _edge(rng: Rng) -> int:
    long = rng.random() < LONG_EDGE_CHANCE
    return _samples(rng, (0.0, LONG_EDGE_SECONDS if long else EDGE_SECONDS))


class Plan:
    """The batches of a run, each of at most `seconds` of audio including padding."""

    def __init__(
        self,
        clips: Sequence[Clip],
        symbols: Symbols,
        seed: int,
        seconds: float,
        shares: Mapping[str, float] = SHARES,
    ) -> None:
        """Sort the clips into groups.

        Raises:
            ValueError: the store has no training clip.
        """
        self._seed, self._budget = seed, int(seconds * SAMPLE_RATE)
        self._phones = {symbol: number for number, symbol in enumerate(symbols.phones)}
        self._characters = {symbol: number for number, symbol in enumerate(symbols.characters)}
        self._groups: list[list[Clip]] = []
        self._summed: list[np.ndarray] = []
        chances = []
        for name, share in shares.items():
            group = [clip for clip in clips if clip.split == "train" and clip.group == name]
            if group and share > 0:
                lengths = np.array([clip.samples / SAMPLE_RATE for clip in group])
                weights = np.array([clip.weight for clip in group])
                self._groups.append(group)
                self._summed.append(np.cumsum(weights * np.maximum(1.0, lengths) ** _DURATION_POWER))
                chances.append(share)
        if not chances:
            raise ValueError("The store has no clip to train on.")
        self._chances = np.cumsum(chances) / sum(chances)

    def _drawn(self, rng: Rng) -> Clip:
        group = int(np.searchsorted(self._chances, rng.random(), side="right"))
        summed = self._summed[group]
        return self._groups[group][int(np.searchsorted(summed, rng.random() * summed[-1], side="right"))]

    def _joined(self, rng: Rng) -> list[Clip]:
        """Draw one clip, or up to `MOST_CLIPS` clips, which are either all spelt or all not."""
        clips = [self._drawn(rng)]
        samples = clips[0].samples
        while len(clips) < MOST_CLIPS and rng.random() < JOIN_CHANCE:
            other = self._drawn(rng)
            samples += other.samples
            if bool(other.text) != bool(clips[0].text) or samples > JOINED_SECONDS * SAMPLE_RATE:
                break
            clips.append(other)
        return clips

    def row(self, rng: Rng) -> Row:
        """Draw a row."""
        row = Row(samples=_edge(rng))
        speed = rng.uniform(*SPEEDS) if rng.random() < SPEED_CHANCE else 1.0
        for number, clip in enumerate(self._joined(rng)):
            factor = speed
            if number:
                row.samples += _samples(rng, GAP_SECONDS)
                if rng.random() < 0.5:
                    factor = rng.uniform(*JOINED_SPEEDS)
            length = int(clip.samples / factor)
            row.pieces.append(Piece(clip.offset, clip.samples, factor, row.samples, length))
            row.samples += length
            row.phones += [self._phones[p] for p in clip.phones.split() if p in self._phones]
            written = characters_of(clip.text)
            if row.characters and written:
                written.insert(0, WORD_GAP)
            row.characters += [self._characters[c] for c in written if c in self._characters]
        row.samples += _edge(rng)
        return row

    def _pool(self, number: int) -> list[list[Row]]:
        """Make batches of rows of similar length, in random order."""
        rng = np.random.default_rng([self._seed, number])
        rows = sorted((self.row(rng) for _ in range(POOL_ROWS)), key=lambda row: row.samples)
        batches: list[list[Row]] = [[]]
        for row in rows:
            if batches[-1] and row.samples * (len(batches[-1]) + 1) > self._budget:
                batches.append([])
            batches[-1].append(row)
        return [batches[n] for n in rng.permutation(len(batches))]

    def batches(self, first: int = 0) -> Iterator[list[Row]]:
        """Yield batches from number `first` on, endlessly."""
        number = 0
        while True:
            batches = self._pool(number)
            yield from batches[first:]
            first = max(0, first - len(batches))
            number += 1


def collapse(ids: Sequence[int]) -> list[int]:
    """Collapse a CTC path: merge repeated symbols, then drop blanks."""
    return [s for n, s in enumerate(ids) if s != 0 and (n == 0 or s != ids[n - 1])]


def text_of(ids: Sequence[int], characters: Sequence[str]) -> str:
    """Return the text of the best characters of each frame."""
    return " ".join("".join(characters[i] for i in collapse(ids)).replace(WORD_GAP, " ").split())
