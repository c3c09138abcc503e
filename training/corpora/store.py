"""The training store: all audio as int16 in one memory-mapped file, and an index of clips."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

AUDIO = "audio.i16"
FIELDS = (
    "offset", "samples", "split", "group", "source", "language", "speaker", "weight", "phones", "text",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clip:
    """An utterance: `samples` samples from `offset` on.

    Attributes:
        split: "train" or "held-out".
        group: group in `recipe.SHARES`.
        weight: how often it is drawn, relative to others of its group and length.
        phones: separated by spaces.
        text: in the model's characters; empty if the clip is not spelt.
    """

    offset: int
    samples: int
    split: str
    group: str
    source: str
    language: str
    speaker: str
    weight: float
    phones: str
    text: str


@dataclass(frozen=True, slots=True)
class Symbols:
    """The inventories of phones and characters, both with blank as 0, and the hours by group and source."""

    phones: list[str]
    characters: list[str]
    hours: Mapping[str, Mapping[str, float]]

    @classmethod
    def load(cls, folder: Path) -> "Symbols":
        """Load the symbols of the store in `folder`."""
        data = json.loads((folder / "symbols.json").read_text(encoding="utf-8"))
        return cls(data["phones"], data["characters"], data["hours"])


class StoreWriter:
    """Writes a store. It becomes readable when `close` renames the index into place."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        (folder / "index.tsv").unlink(missing_ok=True)
        self._audio = (folder / AUDIO).open("wb")
        self._clips: list[Clip] = []
        self._offset = 0

    def add(self, audio: np.ndarray, **fields: str | float) -> None:
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
    """The store in a folder, read-only.

    Raises:
        FileNotFoundError: the folder contains no store.
        ValueError: another version of the recipe wrote it.
    """

    def __init__(self, folder: Path) -> None:
        index = folder / "index.tsv"
        if not index.exists():
            raise FileNotFoundError(
                f"{folder} holds no training store: run `python -m training prepare` first."
            )
        with index.open(encoding="utf-8", newline="") as handle:
            rows = csv.DictReader(handle, delimiter="\t")
            if tuple(rows.fieldnames or ()) != FIELDS:
                raise ValueError(f"{folder} is a store of another version: run `prepare --again`.")
            self.clips = [
                Clip(
                    int(r["offset"]), int(r["samples"]), r["split"], r["group"], r["source"], r["language"],
                    r["speaker"], float(r["weight"]), r["phones"], r["text"],
                )
                for r in rows
            ]  # fmt: skip
        self.audio_path = folder / AUDIO
        self._audio = np.memmap(self.audio_path, dtype="<i2", mode="r")

    @property
    def audio_samples(self) -> int:
        """Total number of samples."""
        return len(self._audio)

    def waveform(self, clip: Clip) -> np.ndarray:
        """Return a clip's audio: float32 in [-1, 1], shape (samples,)."""
        return self._audio[clip.offset : clip.offset + clip.samples].astype(np.float32) / 32768.0
