"""The spelling part alone, taught by text: sentences as real voices would have them heard.

The encoder stays as it is. A batch costs a tenth of one with audio, and text is plentiful where real Hindi
speech is not.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from training import recipe
from training.batches import REAL_BLUR, SYNTHETIC_BLUR, Symbols, text_of
from training.checkpoint import RESPELT, averaged_network, newest
from training.device import half_precision
from training.espeak import Espeak
from training.heldout import Found, HeldOut, compared, from_store
from training.masking import blurred
from training.mishearing import Heard, LogProbs, encoded, listen
from training.network import Network
from training.phones import phones_of
from training.prepare import Sources, sentences
from training.schedule import Course
from training.spelling import characters_of, text_key
from training.store import Store

_LONGEST = 90  # phones
_MOST_WORDS = 12


def read_out(texts: Sequence[str], symbols: Symbols) -> list[tuple[list[int], str]]:
    """Each text with its phones' ids, by espeak-ng's Hindi; texts that are too long or have none left out."""
    ids = {symbol: index for index, symbol in enumerate(symbols.phones)}
    espeak = Espeak()
    espeak.set_voice("hi")
    read = [([ids[p] for p in phones_of(espeak.ipa(text)) if p in ids], text) for text in texts]
    return [(phones, text) for phones, text in read if 1 < len(phones) <= _LONGEST]


class Lessons:
    """Batches of posteriors and spellings, one after the other from a seed."""

    def __init__(
        self, heard: Heard, texts: Sequence[Sequence[tuple[list[int], str]]], symbols: Symbols, course: Course
    ) -> None:
        """`texts` are pools of equal weight, such as conversation and other prose."""
        self._heard, self._course = heard, course
        self._pools = [pool for pool in texts if pool]
        self._characters = {symbol: index for index, symbol in enumerate(symbols.characters)}
        self._rng = np.random.default_rng([course.seed, 12])
        self._groups = list(heard.bank.groups)
        weights = np.array([recipe.SPOKEN_LIKE_HINDI.get(group, 1.0) for group in self._groups])
        self._weights = weights / max(weights.sum(), 1e-9)

    def _one(self) -> tuple[LogProbs, str, float]:
        kind = self._rng.random()
        if kind < self._course.assembled and self._pools and self._groups:
            pool = self._pools[int(self._rng.integers(len(self._pools)))]
            phones, text = pool[int(self._rng.integers(len(pool)))]
            group = self._groups[int(self._rng.choice(len(self._groups), p=self._weights))]
            return self._heard.bank.draw(group, phones, self._rng), text, REAL_BLUR
        whole = self._heard.real if kind < (1 + self._course.assembled) / 2 else self._heard.synthetic
        blur = REAL_BLUR if whole is self._heard.real else SYNTHETIC_BLUR
        if not whole:
            whole = self._heard.real or self._heard.synthetic
        return (*whole[int(self._rng.integers(len(whole)))], blur)

    def batch(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Log-probabilities (B, frames, phones), frames (B), blur (B), characters joined, counts (B)."""
        drawn = [self._one() for _ in range(self._course.sentences)]
        drawn = [one for one in drawn if len(one[0]) > len(one[1])]
        spelt = [[self._characters[c] for c in characters_of(text)] for _, text, _ in drawn]
        return (
            pad_sequence(
                [torch.from_numpy(np.asarray(x, np.float32)) for x, _, _ in drawn], batch_first=True
            ),
            torch.tensor([len(x) for x, _, _ in drawn]),
            torch.tensor([blur for _, _, blur in drawn]),
            torch.tensor([c for letters in spelt for c in letters]),
            torch.tensor([len(letters) for letters in spelt]),
        )


def teach(
    network: Network,
    lessons: Lessons,
    course: Course,
    watch: Callable[[], Sequence[Found]],
    report: Callable[[int, str], None],
) -> None:
    """Trains the spelling part of `network`, which is left with its averaged weights.

    Args:
        watch: measures the network as it is; called now and then with the averaged weights in place.
    """
    weights = [p for name, p in network.named_parameters() if name.startswith("spelling")]
    device = weights[0].device
    optimiser = torch.optim.AdamW(
        weights, course.peak, (0.9, 0.98), weight_decay=course.weight_decay, fused=True
    )
    average = [weight.detach().clone() for weight in weights]
    generator = torch.Generator(device).manual_seed(course.seed)
    began, losses = time.monotonic(), []
    update, part = 0, 0.0
    while part < 1.0:
        rate = course.peak * min(1.0, (update + 1) / course.ramp_updates) * min(1.0, (1.0 - part) / 0.6)
        for group in optimiser.param_groups:
            group["lr"] = rate
        heard, frames, blur, characters, counts = (tensor.to(device) for tensor in lessons.batch())
        with half_precision(device):
            made = network.spell(F.log_softmax(blurred(heard, blur, generator), dim=-1), frames)
        loss = F.ctc_loss(
            made.transpose(0, 1), characters, frames, counts, reduction="sum", zero_infinity=True
        ) / counts.sum().clamp(min=1)  # fmt: skip
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, course.clip)
        optimiser.step()
        update += 1
        keep = min(course.average, update / (update + 20))
        torch._foreach_lerp_(average, [weight.detach() for weight in weights], 1.0 - keep)
        losses.append(loss.item())
        part = update / course.updates
        if course.minutes is not None:
            part = max(part, (time.monotonic() - began) / (60.0 * course.minutes))
        if update % 200 == 0 or part >= 1.0:
            report(
                update, f"update {update}  loss {np.mean(losses):.4f}  seconds {time.monotonic() - began:.0f}"
            )
            losses = []
        if update % 1000 == 0 or part >= 1.0:
            current = [weight.detach().clone() for weight in weights]
            _put(weights, average)
            for found in watch():
                report(update, str(found))
            if part < 1.0:
                _put(weights, current)


def _put(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for weight, value in zip(weights, values, strict=True):
            weight.copy_(value)


class Watch:
    """Greedy error rates of held-out sets whose phones are heard once, for the encoder does not change."""

    def __init__(self, network: Network, symbols: Symbols, sets: Sequence[HeldOut]) -> None:
        self._network, self._symbols, self._sets = network, symbols, sets
        self._heard = [[encoded(network, [waveform])[0] for waveform in one.waveforms] for one in sets]

    def __call__(self) -> list[Found]:
        found = []
        device = next(self._network.parameters()).device
        for one, heard in zip(self._sets, self._heard, strict=True):
            texts = []
            for log_probs in heard:
                with torch.no_grad():
                    made = self._network.spell(
                        torch.from_numpy(log_probs)[None].to(device),
                        torch.tensor([len(log_probs)], device=device),
                    )
                texts.append(text_of(made[0].argmax(-1).tolist(), self._symbols.characters))
            found.append(compared(one, texts))
        return found


def respell(
    work: Path,
    sources: Sources,
    course: Course,
    device: torch.device,
    dev: Sequence[HeldOut],
    report: Callable[[int, str], None],
) -> Path:
    """Teaches the spelling part of a run's checkpoint by the texts of `sources`; returns the new one's path.

    A second course goes on from the first.

    `dev` is measured now and then, as are the held-out sentences of the store, and neither is learnt.
    """
    torch.manual_seed(course.seed)
    store, symbols = Store(work / "store"), Symbols.load(work / "store")
    checkpoint = newest(work)
    network = averaged_network(checkpoint).to(device)
    held_out = from_store(store)
    forbidden = sources.forbidden() | {text_key(text) for one in [*dev, held_out] for text in one.texts}
    pools = [
        read_out(list(sentences(texts, forbidden, _MOST_WORDS)), symbols)
        for texts in (sources.whole_texts, sources.phrase_texts)
    ]
    watch = Watch(network, symbols, [one for one in (held_out, *dev) if one.texts])
    for found in watch():
        report(0, str(found))
    heard = listen(network, store, symbols, course, lambda line: report(0, line))
    teach(network, Lessons(heard, pools, symbols, course), course, watch, report)
    checkpoint.average = {name: weight.cpu() for name, weight in network.state_dict().items()}
    checkpoint.save(work / RESPELT)
    return work / RESPELT
