"""Which utterances make a batch, and its tensors. Everything follows from the seed and the update."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from training.augment import augment
from training.recipe import MAX_SECONDS, SAMPLE_RATE, SYNTHESISERS
from training.spelling import WORD_GAP, characters_of
from training.store import Clip, Store

Item = tuple[int, ...]  # clips spoken one after the other

# How uncertain phones become at most for the spelling part: synthetic ones are far too certain by themselves.
REAL_BLUR, SYNTHETIC_BLUR = 1.2, 3.5


@dataclass(frozen=True, slots=True)
class Symbols:
    """The two inventories, blank being 0 in both, and the hours of audio by corpus and split."""

    phones: list[str]
    characters: list[str]
    hours: dict[str, float]

    @classmethod
    def load(cls, folder: Path) -> "Symbols":
        data = json.loads((folder / "symbols.json").read_text(encoding="utf-8"))
        return cls(data["phones"], data["characters"], data["hours"])


@dataclass(slots=True)
class Batch:
    """waveforms (B, S), lengths (B); targets joined end to end; `spelt` are the rows with a spelling."""

    waveforms: Tensor
    lengths: Tensor
    phones: Tensor
    phone_lengths: Tensor
    spelt: Tensor
    characters: Tensor
    character_lengths: Tensor
    warp: Tensor
    blur: Tensor
    seed: int

    def _changed(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return Batch(**{k: change(v) if isinstance(v, Tensor) else v for k, v in parts.items()})

    def pin_memory(self) -> "Batch":
        """In memory that a GPU can copy from while it computes; the loader calls this."""
        return self._changed(Tensor.pin_memory)

    def to(self, device: torch.device) -> "Batch":
        return self._changed(lambda tensor: tensor.to(device, non_blocking=True))


def with_real_share(
    clips: Sequence[Clip], chosen: list[int], share: float, rng: np.random.Generator
) -> list[int]:
    """`chosen`, with so many synthetic clips left, at random, that real ones are `share` of the audio.

    Repetitions count. All are left where that much is real anyway.
    """
    real = [i for i in chosen if clips[i].source not in SYNTHESISERS]
    synthetic = [i for i in chosen if clips[i].source in SYNTHESISERS]
    heard, spoken = (sum(clips[i].samples * clips[i].repeat for i in part) for part in (real, synthetic))
    if not real or heard >= share * (heard + spoken):
        return chosen
    kept = round(len(synthetic) * heard * (1.0 - share) / (share * spoken))
    return sorted([*real, *(synthetic[n] for n in rng.permutation(len(synthetic))[:kept])])


def with_real_part(clips: Sequence[Clip], chosen: list[int], part: float, seed: int) -> list[int]:
    """`chosen` with that part of the real clips; a larger part holds all of a smaller one."""
    draws = np.random.default_rng([seed, 4]).random(len(clips))
    return [i for i in chosen if clips[i].source in SYNTHESISERS or draws[i] < part]


class Plan:
    """The batches of a run: a warm start of clean short synthetic clips, then everything, epoch by epoch.

    Each epoch draws its synthetic clips anew so that at least `real_share` of its audio is real. Of the real
    clips `real_part` is ever heard.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        seed: int,
        updates: int,
        warm_updates: int,
        seconds: float,
        real_share: float = 0.0,
        real_part: float = 1.0,
    ) -> None:
        self._clips = clips
        self._budget = int(seconds * SAMPLE_RATE)
        self.warm_updates = warm_updates
        train = [i for i, c in enumerate(clips) if c.split == "train"]
        train = with_real_part(clips, train, real_part, seed)
        easy = [i for i in train if clips[i].source == "synthetic" and clips[i].samples < 4 * SAMPLE_RATE]
        rng = np.random.default_rng([seed, 1])
        self.batches: list[list[Item]] = []
        while len(self.batches) < warm_updates and easy:
            self.batches += self._pack([(i,) for i in easy], rng)
        del self.batches[warm_updates:]
        epoch = 0
        while len(self.batches) < updates and train:
            rng = np.random.default_rng([seed, 2, epoch])
            heard = with_real_share(clips, train, real_share, rng)
            items: list[Item] = [(i,) for i in heard for _ in range(clips[i].repeat)]
            self.batches += self._pack(self._joined(items, rng), rng)
            epoch += 1
        del self.batches[updates:]

    def _joined(self, items: list[Item], rng: np.random.Generator) -> list[Item]:
        """Join most short clips of one corpus and language to utterances of several words.

        Some others are joined with whoever comes next, so that a change of voice is nothing new.
        """
        groups: dict[tuple[str, str, float], list[Item]] = {}
        result = []
        for item in items:
            clip = self._clips[item[0]]
            short = clip.samples < 2.0 * SAMPLE_RATE or (clip.source == "reader-hi" and rng.random() < 0.4)
            if short and rng.random() < 0.7:
                groups.setdefault((clip.source, clip.language, 9.0), []).append(item)
            elif clip.samples < 6.0 * SAMPLE_RATE and rng.random() < 0.12:
                kind = "synthetic" if clip.source in SYNTHESISERS else "real"
                groups.setdefault((kind, "spelt" if clip.text else "unspelt", 14.0), []).append(item)
            else:
                result.append(item)
        for (_, _, longest), members in groups.items():
            rng.shuffle(members)
            current: Item = ()
            room = 0.0
            for member in members:
                length = self._clips[member[0]].samples
                if current and length > room:
                    result.append(current)
                    current = ()
                if not current:
                    room = rng.uniform(2.0, longest) * SAMPLE_RATE
                current += member
                room -= length
            if current:
                result.append(current)
        return result

    def _samples(self, item: Item) -> int:
        return sum(self._clips[i].samples for i in item)

    def _pack(self, items: list[Item], rng: np.random.Generator) -> list[list[Item]]:
        """Batches of similar length, each at most the budget when padded; in random order."""
        lengths = np.array([self._samples(item) for item in items])
        order = np.argsort(lengths * rng.uniform(0.9, 1.1, len(items)))
        batches: list[list[Item]] = []
        current: list[Item] = []
        longest = 0
        for index in order:
            longest = max(longest, int(lengths[index]))
            if current and longest * (len(current) + 1) > self._budget:
                batches.append(current)
                current, longest = [], int(lengths[index])
            current.append(items[index])
        if current:
            batches.append(current)
        return [batches[i] for i in rng.permutation(len(batches))]


class BatchDataset(Dataset[Batch]):
    """Item n is the batch of update n."""

    def __init__(self, store: Store, symbols: Symbols, plan: Plan, seed: int) -> None:
        self._store, self._plan, self._seed = store, plan, seed
        self._phone_ids = {s: i for i, s in enumerate(symbols.phones)}
        self._character_ids = {s: i for i, s in enumerate(symbols.characters)}
        self._train = [i for i, c in enumerate(store.clips) if c.split == "train"]

    def __len__(self) -> int:
        return len(self._plan.batches)

    def _synthetic(self, item: Item) -> bool:
        return self._store.clips[item[0]].source in SYNTHESISERS

    def _waveform(self, item: Item, rng: np.random.Generator, warm: bool) -> np.ndarray:
        pieces: list[np.ndarray] = []
        for index in item:
            if pieces:
                gap = min(2.0, rng.exponential(0.3))
                pieces.append(np.zeros(int(gap * SAMPLE_RATE), np.float32))
            pieces.append(self._store.waveform(self._store.clips[index]))
        x = np.concatenate(pieces)
        if warm:
            return x
        other = self._store.clips[self._train[int(rng.integers(len(self._train)))]]
        x = augment(x, rng, self._store.waveform(other), real=not self._synthetic(item))
        return x[: int(MAX_SECONDS * 1.1 * SAMPLE_RATE)]

    def __getitem__(self, update: int) -> Batch:
        items = self._plan.batches[update]
        warm = update < self._plan.warm_updates
        waveforms, phones, spelt, characters = [], [], [], []
        rng = np.random.default_rng([self._seed, 3, update])
        for row, item in enumerate(items):
            clips = [self._store.clips[i] for i in item]
            waveforms.append(self._waveform(item, rng, warm))
            sequence = " ".join(c.phones for c in clips).split()
            phones.append([self._phone_ids[p] for p in sequence if p in self._phone_ids])
            if all(c.text for c in clips):
                spelt.append(row)
                written = characters_of(" ".join(c.text for c in clips))
                characters.append([self._character_ids[c] for c in written])
        lengths = [len(w) for w in waveforms]
        padded = np.zeros((len(items), max(lengths)), np.float32)
        for row, waveform in enumerate(waveforms):
            padded[row, : len(waveform)] = waveform
        warp = (
            np.ones(len(items), np.float32) if warm else rng.uniform(0.9, 1.1, len(items)).astype(np.float32)
        )
        return Batch(
            torch.from_numpy(padded),
            torch.tensor(lengths),
            torch.tensor([p for s in phones for p in s], dtype=torch.long),
            torch.tensor([len(s) for s in phones]),
            torch.tensor(spelt, dtype=torch.long),
            torch.tensor([c for s in characters for c in s], dtype=torch.long),
            torch.tensor([len(s) for s in characters], dtype=torch.long),
            torch.from_numpy(warp),
            torch.tensor([SYNTHETIC_BLUR if self._synthetic(item) else REAL_BLUR for item in items]),
            update,
        )


def collapse(ids: Sequence[int]) -> list[int]:
    """Greedy CTC: repeated symbols once, blanks away."""
    return [s for n, s in enumerate(ids) if s != 0 and (n == 0 or s != ids[n - 1])]


def text_of(ids: Sequence[int], characters: Sequence[str]) -> str:
    """The text of one row of best characters, frame by frame."""
    return " ".join("".join(characters[i] for i in collapse(ids)).replace(WORD_GAP, " ").split())
