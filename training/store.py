"""The training store: all audio as int16 in one memory-mapped file, and an index of clips."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FIELDS = ("offset", "samples", "split", "source", "language", "speaker", "repeat", "phones", "text")


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance: `samples` samples from `offset`; `phones` apart by spaces; `text` empty unless spelt."""

    offset: int
    samples: int
    split: str
    source: str
    language: str
    speaker: str
    repeat: int
    phones: str
    text: str


class StoreWriter:
    """Append clips; nothing is readable before `close` has renamed the index into place."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        (folder / "index.tsv").unlink(missing_ok=True)
        self._audio = (folder / "audio.i16").open("wb")
        self._clips: list[Clip] = []
        self._offset = 0

    def add(self, audio: np.ndarray, **fields: str | int) -> None:
        """Append int16 `audio` of shape (samples,) at the recipe's rate."""
        self._audio.write(audio.astype("<i2", copy=False).tobytes())
        self._clips.append(Clip(offset=self._offset, samples=len(audio), **fields))  # type: ignore[arg-type]
        self._offset += len(audio)

    def close(self) -> list[Clip]:
        self._audio.close()
        part = self._folder / "index.tsv.part"
        with part.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
            writer.writerow(FIELDS)
            for clip in self._clips:
                writer.writerow([getattr(clip, name) for name in FIELDS])
        part.replace(self._folder / "index.tsv")
        return self._clips


class Store:
    """The store of one folder, read only."""

    def __init__(self, folder: Path) -> None:
        index = folder / "index.tsv"
        if not index.exists():
            raise FileNotFoundError(
                f"{folder} holds no training store: run `python -m training prepare` first."
            )
        with index.open(encoding="utf-8", newline="") as handle:
            rows = csv.DictReader(handle, delimiter="\t")
            self.clips = [
                Clip(
                    int(r["offset"]), int(r["samples"]), r["split"], r["source"], r["language"], r["speaker"],
                    int(r["repeat"]), r["phones"], r["text"],
                )
                for r in rows
            ]  # fmt: skip
        self._audio = np.memmap(folder / "audio.i16", dtype="<i2", mode="r")

    def waveform(self, clip: Clip) -> np.ndarray:
        """float32 in [-1, 1], shape (samples,)."""
        return self._audio[clip.offset : clip.offset + clip.samples].astype(np.float32) / 32768.0
