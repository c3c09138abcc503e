"""Error rates on held-out voices and books, measured during a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from torch.nn.utils.rnn import pad_sequence

from modelkit import character_errors, corpus_errors, read_manifest, word_errors
from training.corpora.store import Store
from training.model.network import Network
from training.recipe import MAX_SECONDS, SAMPLE_RATE
from training.run.batches import text_of
from training.text.spelling import plain_text


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A named set of waveforms with their texts."""

    name: str
    waveforms: list[np.ndarray]
    texts: list[str]


@dataclass(frozen=True, slots=True)
class Found:
    name: str
    wer: float
    cer: float
    samples: list[tuple[str, str]]

    def row(self) -> dict[str, object]:
        return {"set": self.name, "wer": round(self.wer, 4), "cer": round(self.cer, 4)}

    def __str__(self) -> str:
        lines = [f"{self.name}: WER {self.wer:.3f} CER {self.cer:.3f}"]
        return "\n".join(lines + [f"    {told} => {heard}" for told, heard in self.samples])


def from_store(store: Store, most: int = 40) -> HeldOut:
    """Take the first `most` held-out sentences of the store."""
    clips = [c for c in store.clips if c.split == "held-out" and " " in c.text][:most]
    return HeldOut("held-out books", [store.waveform(c) for c in clips], [c.text for c in clips])


def from_manifest(name: str, path: Path) -> HeldOut:
    """Read the clips of a manifest, except those longer than the longest training clip."""
    waveforms, texts = [], []
    for entry in read_manifest(path):
        audio, rate = soundfile.read(entry.path, dtype="float32", always_2d=True)
        waveform = soxr.resample(audio.mean(axis=1), rate, SAMPLE_RATE)
        if len(waveform) <= MAX_SECONDS * SAMPLE_RATE:
            waveforms.append(waveform)
            texts.append(plain_text(entry.text))
    return HeldOut(name, waveforms, texts)


def measure(network: Network, characters: Sequence[str], held_out: HeldOut, rows: int = 8) -> Found:
    """Measure greedy corpus WER and CER, and keep a few transcripts."""
    device = next(network.parameters()).device
    heard = [""] * len(held_out.waveforms)
    order = sorted(range(len(heard)), key=lambda number: len(held_out.waveforms[number]))
    for start in range(0, len(order), rows):
        chosen = order[start : start + rows]
        part = [torch.from_numpy(np.ascontiguousarray(held_out.waveforms[number])) for number in chosen]
        lengths = torch.tensor([len(waveform) for waveform in part])
        with torch.no_grad():
            log_probs, frames = network(pad_sequence(part, batch_first=True).to(device), lengths.to(device))
        for number, best, count in zip(chosen, log_probs.argmax(-1).cpu(), frames.tolist(), strict=True):
            heard[number] = text_of(best[:count].tolist(), characters)
    return compared(held_out, heard)


def compared(held_out: HeldOut, heard: Sequence[str]) -> Found:
    """Compute corpus WER and CER of the decoded texts."""
    pairs = list(zip(held_out.texts, heard, strict=True))
    words = corpus_errors(word_errors(told, made) for told, made in pairs)
    characters = corpus_errors(character_errors(told, made) for told, made in pairs)
    return Found(held_out.name, words.rate, characters.rate, pairs[:6])
