"""Choose the graph that transcribes: measure smaller ones for errors and CPU time, install one or none.

The rule: of the variants whose WER is at most `points` above that of float32, the one that takes the least
CPU time, if that is at most `worth` of float32's.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from shrutlekh_contract.decoders import GREEDY
from shrutlekh_contract.model_card import CTC, FILE_NAME, FLOAT32, INT8

from modelkit.description import read_description, write_description
from modelkit.graphs.quantisation import QUANTISED, quantise
from modelkit.measuring.comparison import Run, run_both
from modelkit.measuring.manifest import Entry
from speech import CTRANSLATE2_WEIGHTS, GRAPHS, NORMALISER, Engine, ModelFolder

POINTS: Final = 0.3
"""Percentage points of WER that a smaller graph may cost."""

WORTH: Final = 0.9
"""A smaller graph is chosen if it takes at most this share of float32's CPU time."""

VARIANTS: Final[dict[str, Callable[[Path], Path]]] = {
    "int8, 7-bit weights": quantise,
    "int8, 8-bit weights": partial(quantise, eight_bits=True),
}
"""How each variant is made in a model folder."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A graph on a set of recordings.

    Attributes:
        variant: its name in `VARIANTS`, or "float32".
        cpu_seconds: for each second of audio, one thread, the whole engine.
        bytes: size of the graph.
    """

    variant: str
    precision: str
    wer: float
    cer: float
    cpu_seconds: float
    bytes: int

    def is_within(self, exact: "Measured", points: float, worth: float) -> bool:
        """Whether it may be installed in place of `exact`."""
        return self.wer <= exact.wer + points / 100 + 1e-9 and self.cpu_seconds <= worth * exact.cpu_seconds


def graphs_of(folder: Path) -> int:
    """Count the graphs that `choose_variant` measures."""
    return 1 + len(VARIANTS) if ModelFolder.load(folder).family == CTC else 2


def choose_variant(
    folder: Path,
    entries: Sequence[Entry],
    name: str,
    advance: Callable[[], None],
    points: float = POINTS,
    worth: float = WORTH,
) -> list[Measured]:
    """Measure all variants of a model folder here, and keep what the rule of this module says.

    The graph, `precision` and the table go to the folder: its model.json gets `variants`. Greedy decoding is
    measured, so that a language model hides nothing.

    Args:
        name: of the set of recordings.
        advance: called after each recording of each graph, `graphs_of(folder)` times for each recording.

    Raises:
        SpeechError, FileNotFoundError: see `modelkit.measuring.comparison.run_both`.
    """
    with _candidates(folder) as candidates:
        engines = [
            (candidate.variant, Engine.load(candidate.folder, precision=candidate.precision, decoder=GREEDY))
            for candidate in candidates
        ]
        runs = run_both(engines, entries, advance)
        measured = [_measured(*pair) for pair in zip(candidates, runs, strict=True)]
        chosen = _chosen(measured, points, worth)
        _keep(folder, candidates[measured.index(chosen)])
    table = {
        "set": name,
        "normaliser": NORMALISER,
        "rule": {"points": points, "worth": worth},
        "measured": [_row(entry, measured[0], chosen) for entry in measured],
    }
    write_description(folder, {**read_description(folder), "precision": chosen.precision, "variants": table})
    return measured


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A model folder with one more graph, or the model itself in one of its precisions."""

    variant: str
    precision: str
    folder: Path
    weights: Path


@contextmanager
def _candidates(folder: Path) -> Iterator[list[_Candidate]]:
    """Make all variants. Weights of Whisper have every precision; graphs are made in folders of links."""
    if ModelFolder.load(folder).family != CTC:
        weights = folder / CTRANSLATE2_WEIGHTS
        yield [_Candidate(precision, precision, folder, weights) for precision in (FLOAT32, INT8)]
        return
    with tempfile.TemporaryDirectory(prefix=".variants-", dir=folder.parent) as temporary:
        found = [_Candidate(FLOAT32, FLOAT32, folder, folder / GRAPHS[FLOAT32])]
        for number, (variant, make) in enumerate(VARIANTS.items()):
            made = _linked(folder, Path(temporary) / str(number))
            found.append(_Candidate(variant, INT8, made, make(made)))
        yield found


def _linked(folder: Path, target: Path) -> Path:
    """Make a model folder of links to another's files, without its smaller graph."""
    target.mkdir()
    for path in folder.iterdir():
        if not path.name.startswith(".") and path.name not in (QUANTISED, FILE_NAME):
            (target / path.name).symlink_to(path.resolve())
    shutil.copyfile(folder / FILE_NAME, target / FILE_NAME)
    return target


def _keep(folder: Path, chosen: _Candidate) -> None:
    """Leave in a folder, beside float32, the graph that was chosen and no other."""
    if chosen.folder == folder and chosen.weights.name != GRAPHS[FLOAT32]:
        return  # one file for all precisions
    (folder / QUANTISED).unlink(missing_ok=True)
    if chosen.folder != folder:
        shutil.copyfile(chosen.weights, folder / QUANTISED)


def _measured(candidate: _Candidate, run: Run) -> Measured:
    found = run.rates
    size = candidate.weights.stat().st_size
    wer, cer = found["wer"].value, found["cer"].value
    return Measured(candidate.variant, candidate.precision, wer, cer, run.cpu_seconds, size)


def _chosen(measured: Sequence[Measured], points: float, worth: float) -> Measured:
    exact, *smaller = measured
    allowed = [entry for entry in smaller if entry.is_within(exact, points, worth)]
    return min(allowed, key=lambda entry: entry.cpu_seconds, default=exact)


def _row(entry: Measured, exact: Measured, chosen: Measured) -> dict[str, Any]:
    return {
        "variant": entry.variant,
        "precision": entry.precision,
        "wer": round(entry.wer, 4),
        "cer": round(entry.cer, 4),
        "cpu_seconds": round(entry.cpu_seconds, 5),
        "cpu_ratio": round(entry.cpu_seconds / exact.cpu_seconds, 3),
        "bytes": entry.bytes,
        "chosen": entry is chosen,
    }
