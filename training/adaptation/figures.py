"""Error rates of the start model and of the trained one on the same held-out clips."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shrutlekh_contract.decoders import BEAM, decoders_of

from modelkit import read_manifest
from modelkit.measuring.evaluation import score_model, summary
from speech import NORMALISER, Engine

Figures = list[dict[str, Any]]


def measure(folder: Path, manifest: Path, name: str, advance: Callable[[], None]) -> Figures:
    """Measure a model folder with each of its decoders, as the service runs them.

    Returns:
        A summary for each decoder, in the form of model.json's `evaluation`. Without the library of beam
        search, only that of greedy decoding.

    Raises:
        SpeechError: the model or a recording cannot be used.
    """
    entries = read_manifest(manifest)
    found = []
    for decoder in decoders_of(folder):
        try:
            engine = Engine.load(folder, decoder=decoder)
        except ImportError:
            if decoder != BEAM:
                raise
            continue
        found.append(summary(name, score_model(engine, entries, advance), decoder))
    return found


def kept(path: Path, newer_than: Path | None = None) -> Figures | None:
    """Return figures that an earlier start wrote; None if there are none, or older than a file."""
    if not path.is_file():
        return None
    if newer_than is not None and path.stat().st_mtime_ns < newer_than.stat().st_mtime_ns:
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return found if all(one["normaliser"] == NORMALISER for one in found) else None


def keep(path: Path, figures: Figures) -> None:
    """Write figures for `kept`, atomically."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(figures, ensure_ascii=False, indent=1), encoding="utf-8")
    part.replace(path)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures of the start model, empty if there is none, and of the trained one."""

    start: Figures
    trained: Figures
    decoder: str

    @property
    def is_better(self) -> bool:
        """Whether the trained model makes no more word errors with the decoder that jobs use."""
        start, trained = self._of(self.start), self._of(self.trained)
        return start is None or trained is None or trained["wer"] <= start["wer"]

    def lines(self, start_name: str, trained_name: str) -> list[str]:
        """Return a line for each model and decoder."""
        width = max(len(start_name), len(trained_name))
        rows = [(start_name, one) for one in self.start] + [(trained_name, one) for one in self.trained]
        return [f"{name:{width}}  {figures_text(one)}" for name, one in rows]

    def _of(self, figures: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        by_decoder = {one["decoder"]: one for one in figures}
        return by_decoder.get(self.decoder) or next(iter(by_decoder.values()), None)


def figures_text(one: dict[str, Any]) -> str:
    """Return an evaluation as text, with the 95 % interval of the word error rate."""
    low, high = one["wer_interval"]
    return (
        f"{one['decoder']:6}  WER {100 * one['wer']:5.2f} % ({100 * low:.1f} to {100 * high:.1f})"
        f"  CER {100 * one['cer']:5.2f} %"
    )
