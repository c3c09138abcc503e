"""What the user of `shrutlekh train` asked for."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speech import sha256
from training.adaptation import common_voice


class TrainingRefused(Exception):
    """Training cannot start or go on. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for.

    Attributes:
        common_voice: a folder of Common Voice, whose `common_voice_split` is trained on.
        dev: manifests of held-out recordings. Without any, speakers are held out.
        hold_out: speakers to hold out.
        keep_sentences: train on held-out sentences, if a speaker says them who is not held out.
        dev_minutes: measure on at most this much audio.
        base: model folder to start from, or to compare with if `from_scratch`; None if there is none.
        frozen: train the heads only. None: decide by the amount of audio.
    """

    name: str
    work: Path
    manifests: list[Path] = field(default_factory=list)
    common_voice: Path | None = None
    common_voice_split: str = "train"
    dev: list[Path] = field(default_factory=list)
    hold_out: list[str] = field(default_factory=list)
    keep_sentences: bool = False
    dev_minutes: float = 20.0
    base: Path | None = None
    from_scratch: bool = False
    frozen: bool | None = None

    def fingerprint(self) -> dict[str, Any]:
        """Return what a run depends on, by option. Two runs with different fingerprints share no folder."""
        folder = None if self.common_voice is None else common_voice.located(self.common_voice)
        splits = [] if folder is None else sorted(folder.glob("*.tsv"))
        return {
            "--manifest": [sha256(path) for path in self.manifests],
            "--common-voice": [self.common_voice_split, *map(sha256, splits)] if splits else [],
            "--dev": [sha256(path) for path in self.dev],
            "--hold-out": sorted(self.hold_out),
            "--keep-sentences": self.keep_sentences,
            "--dev-minutes": self.dev_minutes,
            "--model": "" if self.base is None else sha256(self.base / "model.onnx"),
            "--from-scratch": self.from_scratch,
            "--encoder-rate": self.frozen,
        }
