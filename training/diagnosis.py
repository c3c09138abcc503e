"""Where a checkpoint loses: phone and spelling errors by corpus, the trained ones included.

High phone errors on what was trained on mean too little capacity or training; high ones on held-out voices
alone mean too few voices; low ones beside high character errors mean that the spelling part is to blame.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from speech.scoring import ErrorCounts, character_errors, edit_counts
from training.batches import Symbols, collapse, text_of
from training.espeak import Espeak
from training.heldout import from_manifest
from training.network import Network
from training.phones import phones_of
from training.store import Store

Spoken = tuple[np.ndarray, str, list[str]]  # waveform (samples,), text or "", phones


@dataclass(slots=True)
class Loss:
    """Errors of one corpus and language; characters only where there is a spelling."""

    name: str
    phones: ErrorCounts
    characters: ErrorCounts

    def __str__(self) -> str:
        def shares(counts: ErrorCounts) -> str:
            size = max(1, counts.reference_length)
            kinds = (counts.errors, counts.substitutions, counts.deletions, counts.insertions)
            return " ".join(f"{100 * kind / size:6.1f}" for kind in kinds)

        spelt = shares(self.characters) if self.characters.reference_length else ""
        return f"{self.name:36s} {shares(self.phones)}   {spelt}".rstrip()


def groups_of(store: Store, most: int, seed: int = 1) -> Iterator[tuple[str, list[Spoken]]]:
    """Up to `most` clips of each corpus, language and split of the store."""
    groups = defaultdict(list)
    for clip in store.clips:
        groups[f"{clip.source} {clip.language} ({clip.split})"].append(clip)
    rng = np.random.default_rng(seed)
    for name, clips in sorted(groups.items()):
        chosen = [clips[i] for i in rng.permutation(len(clips))[:most]]
        yield name, [(store.waveform(c), c.text, c.phones.split()) for c in chosen]


def from_dev(name: str, manifest: Path) -> tuple[str, list[Spoken]]:
    """A Hindi manifest's clips with espeak-ng's phones of their texts."""
    espeak = Espeak()
    espeak.set_voice("hi")
    dev = from_manifest(name, manifest)
    pairs = zip(dev.waveforms, dev.texts, strict=True)
    return name, [(waveform, text, phones_of(espeak.ipa(text))) for waveform, text in pairs]


def losses_of(network: Network, symbols: Symbols, name: str, spoken: list[Spoken]) -> Loss:
    """Greedy phone and character errors of one group, clip by clip."""
    loss = Loss(name, ErrorCounts(), ErrorCounts())
    device = next(network.parameters()).device
    for waveform, text, phones in spoken:
        wave = torch.from_numpy(np.ascontiguousarray(waveform))[None].to(device)
        with torch.no_grad():
            mel, frames = network.log_mel(wave, torch.tensor([len(waveform)], device=device))
            logits, frames = network.encode(mel, frames)
            written = network.spell(F.log_softmax(logits.float(), dim=-1), frames)
        heard = [symbols.phones[i] for i in collapse(logits[0].argmax(-1).tolist())]
        loss.phones += edit_counts(phones, heard)
        if text:
            spelt = text_of(written[0].argmax(-1).tolist(), symbols.characters)
            loss.characters += character_errors(text, spelt)
    return loss
