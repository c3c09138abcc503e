"""Phone posteriors of sentences that nobody has spoken, put together from what is heard of real voices.

What the encoder makes of a real voice is cut at its phones, the slips of both left in: phones taken for
others, phones lost in the blank. A text's phones are then looked up among the cuts, in the same neighbourhood
where there is one, and joined. So the spelling part meets any amount of text as real voices would have it
heard; joining recorded pieces by their neighbours is A. Hunt, A. Black, "Unit selection in a concatenative
speech synthesis system" (ICASSP 1996).
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from speech.alignment import align
from training import recipe
from training.augment import augment
from training.batches import Symbols
from training.device import half_precision
from training.network import Network
from training.schedule import Course
from training.store import Clip, Store

LogProbs = npt.NDArray[np.float32]
Rng = np.random.Generator

_ROWS = 16
_EDGE = -1
_ENOUGH = 3
_AROUND = 6
"""Frames of silence left at most before the first phone and behind the last."""


class Bank:
    """Cuts of phone log-probabilities by voice group, phone and neighbours.

    Attributes:
        groups: each group's name with its number of cuts.
    """

    def __init__(self) -> None:
        self.groups: dict[str, int] = {}
        self._cuts: list[LogProbs] = []
        self._by_context: dict[tuple[Hashable, ...], list[int]] = {}

    def add(self, group: str, log_probs: LogProbs, phones: Sequence[int], rng: Rng) -> bool:
        """Takes one utterance apart: `log_probs` (frames, phones' vocabulary), its phones' ids.

        False when it is too short for its phones.
        """
        path = align(log_probs, phones, 0) if phones else None
        if path is None:
            return False
        changes = np.concatenate(([True], path[1:] != path[:-1]))
        begins = np.flatnonzero(changes & (path != 0))
        ends = np.flatnonzero(np.append(changes[1:], True) & (path != 0)) + 1
        before, behind = rng.integers(0, _AROUND, 2)
        borders = [max(0, int(begins[0]) - int(before))]
        borders += [
            int(rng.integers(end, start + 1)) for end, start in zip(ends[:-1], begins[1:], strict=True)
        ]
        borders.append(int(ends[-1]) + int(behind))
        for place in range(len(phones)):
            for context in _contexts(group, phones, place):
                self._by_context.setdefault(context, []).append(len(self._cuts))
            self._cuts.append(log_probs[borders[place] : borders[place + 1]].astype(np.float16))
        self.groups[group] = self.groups.get(group, 0) + len(phones)
        return True

    def draw(self, group: str, phones: Sequence[int], rng: Rng) -> LogProbs:
        """`phones` as voices of `group` may be heard to say them, shape (frames, vocabulary).

        A phone that no cut has is left out.
        """
        parts = []
        for place in range(len(phones)):
            fitting: list[int] = []
            for context in _contexts(group, phones, place):
                fitting = self._by_context.get(context, fitting)
                if len(fitting) >= _ENOUGH:
                    break
            if fitting:
                parts.append(self._cuts[fitting[int(rng.integers(len(fitting)))]])
        if not parts:
            return np.zeros((0, self._cuts[0].shape[1] if self._cuts else 0), np.float32)
        return np.concatenate(parts).astype(np.float32)


def _contexts(group: str, phones: Sequence[int], place: int) -> list[tuple[Hashable, ...]]:
    """What a cut is looked up by, the closest first."""
    phone = phones[place]
    before = phones[place - 1] if place else _EDGE
    behind = phones[place + 1] if place + 1 < len(phones) else _EDGE
    return [(group, before, phone, behind), (group, before, phone), (group, phone), (phone,)]


@dataclass(slots=True)
class Heard:
    """What the encoder makes of the store: cuts of real voices, and whole spelt utterances of either kind."""

    bank: Bank
    real: list[tuple[LogProbs, str]]
    synthetic: list[tuple[LogProbs, str]]


def encoded(network: Network, waveforms: Sequence[np.ndarray]) -> list[LogProbs]:
    """Phone log-probabilities (frames, phones) of each waveform (samples,) at the recipe's rate."""
    device = next(network.parameters()).device
    lengths = torch.tensor([len(w) for w in waveforms], device=device)
    padded = pad_sequence([torch.from_numpy(np.ascontiguousarray(w)) for w in waveforms], batch_first=True)
    with torch.no_grad():
        mel, frames = network.log_mel(padded.to(device), lengths)
        with half_precision(device):
            logits, frames = network.encode(mel, frames)
        log_probs = F.log_softmax(logits.float(), dim=-1).cpu().numpy()
    return [rows[:count] for rows, count in zip(log_probs, frames.tolist(), strict=True)]


def listen(
    network: Network, store: Store, symbols: Symbols, course: Course, report: Callable[[str], None]
) -> Heard:
    """Runs the encoder on the real clips of `recipe.SPOKEN_LIKE_HINDI`, each as it is and once augmented,
    and on some synthetic ones. Where there is no such language every real clip is taken."""
    rng = np.random.default_rng([course.seed, 11])
    train = [clip for clip in store.clips if clip.split == "train"]
    real = [clip for clip in train if clip.source not in recipe.SYNTHESISERS]
    near = [clip for clip in real if clip.language in recipe.SPOKEN_LIKE_HINDI] or real
    spoken = [clip for clip in train if clip.source in recipe.SYNTHESISERS and clip.text]
    chosen = [spoken[i] for i in rng.permutation(len(spoken))[: course.synthetic_clips]]
    todo = [(clip, changed) for clip in near for changed in (False, True)]
    todo += [(clip, True) for clip in chosen]
    todo.sort(key=lambda pair: pair[0].samples)
    ids = {symbol: index for index, symbol in enumerate(symbols.phones)}
    heard = Heard(Bank(), [], [])

    def waveform(clip: Clip, changed: bool) -> np.ndarray:
        samples = store.waveform(clip)
        if not changed:
            return samples
        other = store.waveform(near[int(rng.integers(len(near)))])
        return augment(samples, rng, other, real=True)

    for start in range(0, len(todo), _ROWS):
        part = todo[start : start + _ROWS]
        for (clip, _), found in zip(part, encoded(network, [waveform(*pair) for pair in part]), strict=True):
            if clip.source in recipe.SYNTHESISERS:
                heard.synthetic.append((found, clip.text))
                continue
            if clip.text:
                heard.real.append((found, clip.text))
            heard.bank.add(clip.language, found, [ids[p] for p in clip.phones.split() if p in ids], rng)
        if start % (100 * _ROWS) == 0:
            report(f"{start} of {len(todo)} clips heard")
    return heard
