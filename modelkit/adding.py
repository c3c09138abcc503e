"""From a source to an installed model: `modelkit add`, step by step.

Everything is made in a hidden folder beside the installed models and moved to its place at the end, so that a
model is installed whole or not at all. What was downloaded is kept for the next try.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol

from shrutlekh_contract.model_card import CTC, FILE_NAME
from shrutlekh_contract.models_folder import MODEL_NAME

from modelkit.description import read_description, record_evaluation, write_description
from modelkit.errors import (
    DownloadFailed,
    FamilyUnsupported,
    NameTaken,
    SourceInvalid,
    VerificationFailed,
)
from modelkit.families import Family, Listing, Wishes, families
from modelkit.folder_swap import replace_folder
from modelkit.graphs.optimisation import optimise
from modelkit.graphs.variants import POINTS, WORTH, choose_variant, graphs_of
from modelkit.measuring.evaluation import score_model, summary
from modelkit.measuring.manifest import Entry
from modelkit.sources import Provenance, Source, open_source
from modelkit.sources.disk import full_disk_told
from modelkit.verification import Check, pads_well, record_check, verify
from speech import Engine, ModelFolder, SpeechError

STAGING: Final = ".adding-"
"""Beginning of the names of folders in which models are made."""

FETCHED: Final = "source"
MADE: Final = "model"

ROOM: Final = 3
"""Disk space for what is made of a model, in sizes of its files: the graph, smaller and optimised ones."""

EXTERNAL_WEIGHTS: Final = "model.onnx.data"
"""Weights of a graph that one file cannot hold."""

UNKNOWN_LICENCE: Final = "unknown. Find it out before you use the model, and name it with --licence."

Advance = Callable[[int], None]


class Reporter(Protocol):
    """What a person sees of the progress."""

    def tell(self, sentence: str) -> None:
        """Print a sentence."""
        ...

    def bar(self, name: str, total: int, *, in_bytes: bool = False) -> AbstractContextManager[Advance]:
        """Show a progress bar. Yields the function that moves it on."""
        ...

    def check(self, check: Check) -> None:
        """Print the outcome of a check of `modelkit verify`."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """What to add, and how.

    Attributes:
        source: a hub's id, optionally with @revision, or a path.
        models: folder of the installed models.
        name: of the installed model. Default: the source's.
        licence: of the weights, if the source does not tell.
        entries: recordings to measure the model and its smaller variants on; of the set `set_name`.
        clip: a recording whose text `modelkit verify` expects from then on.
        replaces: whether a model of that name that came from elsewhere may be replaced.
    """

    source: str
    models: Path
    name: str | None = None
    language: str = "hi"
    licence: str | None = None
    entries: Sequence[Entry] = ()
    set_name: str = ""
    clip: Path | None = None
    points: float = POINTS
    worth: float = WORTH
    replaces: bool = False


def add(request: Request, reporter: Reporter) -> Path:
    """Download, convert, verify, measure, optimise and install a model. Returns its folder.

    Raises:
        ModelkitError: see `modelkit.errors`. Nothing is installed.
    """
    source = open_source(request.source)
    name = _name(request.name or PurePosixPath(source.id.removesuffix(".nemo")).name)
    _check_name(request, source, name)
    listing = source.listing()
    family, wanted = _family_of(listing, request.source)
    reporter.tell(f"Family: {family.name}.")
    with _staging(request.models, name) as staging:
        fetched, made = staging / FETCHED, staging / MADE
        size = sum(listing.sizes[file] for file in wanted)
        with reporter.bar("download", size, in_bytes=True) as advance:
            origin = _fetch(source, wanted, fetched, advance, ROOM * size)
        made.mkdir()
        reporter.tell("Converting")
        entries = family.convert(fetched, made, Wishes(request.language, reporter.tell))
        licence = request.licence or source.licence or entries.get("licence", "")
        reporter.tell(f"Licence: {licence or UNKNOWN_LICENCE}")
        _write_card(made, name, {**entries, "licence": licence, "source": origin.entries()})
        _settle_padding(made)
        _verify(made, reporter.check)
        if _measure(made, request, reporter):
            _verify(made, lambda _: None)  # another graph
        _let_all_read(made)
        target = request.models / name
        replace_folder(made, target)
    return target


def _let_all_read(folder: Path) -> None:
    """Let workers of other users read a model: some libraries write files for their own user alone."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _fetch(source: Source, wanted: Sequence[str], into: Path, advance: Advance, reserve: int) -> Provenance:
    before = 0

    def progress(there: int, _: int) -> None:
        nonlocal before
        advance(there - before)
        before = there

    return source.fetch(wanted, into, progress, reserve)


def _name(wanted: str) -> str:
    """Return a valid name of a model, made of that of its source."""
    name = re.sub(r"[^a-z0-9._-]+", "-", wanted.lower()).strip("-._")[:64]
    if not MODEL_NAME.fullmatch(name):
        raise SourceInvalid(f"{wanted!r} gives no name for a model. Choose one with --name.")
    return name


def _check_name(request: Request, source: Source, name: str) -> None:
    """Refuse to replace a model that came from elsewhere.

    Raises:
        NameTaken: such a model is installed.
    """
    folder = request.models / name
    if request.replaces or not (folder / FILE_NAME).exists():
        return
    try:
        before = read_description(folder).get("source", {}).get("id")
    except (OSError, ValueError):
        before = None
    if before != source.id:
        raise NameTaken(
            f"Another model is installed as {name}. Choose a name with --name, or replace it with --replace."
        )


def _family_of(listing: Listing, named: str) -> tuple[Family, Sequence[str]]:
    for family in families():
        wanted = family.wanted(listing)
        if wanted is not None:
            return family, wanted
    known = ", ".join(family.name for family in families())
    kind = listing.config.get("model_type")
    said = f" Its config.json names the model type {kind!r}." if kind else ""
    raise FamilyUnsupported(f"{named} is of no family that can be added. There are: {known}.{said}")


@contextmanager
def _staging(models: Path, name: str) -> Iterator[Path]:
    """A hidden folder in the models folder. What was downloaded stays in it after a failed download.

    Raises:
        DiskFull: the disk became full.
    """
    staging = models / f"{STAGING}{name}"
    staging.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(staging / MADE, ignore_errors=True)
    keep = False
    try:
        with full_disk_told(models):
            yield staging
    except (DownloadFailed, KeyboardInterrupt):
        keep = True
        raise
    finally:
        shutil.rmtree(staging / MADE if keep else staging, ignore_errors=True)


def _write_card(folder: Path, name: str, entries: dict[str, Any]) -> None:
    card = {"format": 1, "name": name, "language": "hi", **entries}
    card["name"] = name
    try:
        write_description(folder, card)
        ModelFolder.load(folder)
    except (SpeechError, ValueError) as error:
        raise SourceInvalid(f"The converted model is invalid: {error}") from error


def _settle_padding(folder: Path) -> None:
    """Have waveforms run one by one if padding changes what the graph gives.

    Raises:
        VerificationFailed: the graph cannot be run.
    """
    entries = read_description(folder)
    if entries["family"] != CTC or not entries.get("batched", True):
        return
    try:
        batched = pads_well(folder)
    except SpeechError as error:
        raise VerificationFailed(f"{error.message} Nothing was installed.") from error
    if not batched:
        write_description(folder, {**entries, "batched": False})


def _measure(folder: Path, request: Request, reporter: Reporter) -> bool:
    """Measure the model, choose its graph and optimise the graphs. Returns whether a graph was made."""
    before = read_description(folder)["files"]
    is_one_file = not (folder / EXTERNAL_WEIGHTS).exists()
    if not is_one_file:
        reporter.tell("The graph has more than 2 GB: it is neither made smaller nor optimised.")
    elif not request.entries:
        reporter.tell("Error rates were not measured, and no smaller graph was tried: give a --manifest.")
    else:
        with reporter.bar("graphs", graphs_of(folder) * len(request.entries)) as advance:
            choose_variant(
                folder, request.entries, request.set_name, lambda: advance(1), request.points, request.worth
            )
    if request.entries:
        engine = Engine.load(folder)
        with reporter.bar("recordings", len(request.entries)) as advance:
            results = score_model(engine, request.entries, lambda: advance(1))
        record_evaluation(folder, summary(request.set_name, results, engine.decoder_name))
    if request.clip is not None:
        record_check(folder, request.clip)
    if read_description(folder)["family"] == CTC and is_one_file:
        for made in optimise(folder):
            reporter.tell(
                f"Optimised {made.precision}: {1000 * made.cpu_after:.0f} ms of CPU for 4 s of audio"
            )
    return bool(read_description(folder)["files"] != before)


def _verify(folder: Path, report: Callable[[Check], None]) -> None:
    """Run all checks of `modelkit verify`.

    Raises:
        VerificationFailed: one of them failed.
    """
    failed = []
    for check in verify(folder, folder):
        report(check)
        if check.passed is False:
            failed.append(check)
    if failed:
        raise VerificationFailed(f"{failed[0].name}: {failed[0].found} Nothing was installed.")
