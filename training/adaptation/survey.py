"""Examine a user's manifests before anything long starts: usable clips, and skipped ones with reasons."""

import csv
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import soundfile

from modelkit import Entry, read_manifest
from modelkit.measuring.manifest import NAMED
from training.recipe import MAX_SECONDS, MIN_SECONDS
from training.text.sentences import is_forbidden
from training.text.spelling import plain_text, training_text

HINDI = "hi"
LANGUAGES = ("", HINDI, "hi-IN")
"""Languages of a manifest that are Hindi. Without the column, a recording is taken to be Hindi."""

_DIGIT = re.compile(r"\d")
_LATIN = re.compile("[A-Za-z]")


class Reason(StrEnum):
    """Why a clip is skipped. The value completes "12 clips skipped: "."""

    MISSING = "the file does not exist"
    UNREADABLE = "the file is not audio that soundfile reads"
    SHORT = f"shorter than {MIN_SECONDS} s"
    LONG = f"longer than {MAX_SECONDS:.0f} s"
    LANGUAGE = "the language is not Hindi"
    EMPTY = "no text"
    DIGITS = "digits in the text (write numbers as words)"
    LATIN = "Latin letters in the text"
    CHARACTERS = "the text has characters other than Devanagari's"
    HELD_OUT = "a sentence or file of a held-out set"


@dataclass(frozen=True, slots=True)
class Clip:
    """A usable clip. `text` is as in the manifest, `seconds` as in the file's header, `source` a corpus."""

    path: Path
    text: str
    speaker: str
    seconds: float
    source: str = ""


@dataclass(slots=True)
class Survey:
    """The usable clips of some manifests, and the number and first examples of skipped ones by reason."""

    clips: list[Clip] = field(default_factory=list)
    skipped: dict[Reason, int] = field(default_factory=dict)
    examples: dict[Reason, list[str]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return sum(clip.seconds for clip in self.clips)

    @property
    def speakers(self) -> dict[str, float]:
        """Seconds of each speaker, sorted by name."""
        found: dict[str, float] = {}
        for clip in sorted(self.clips, key=lambda clip: clip.speaker):
            found[clip.speaker] = found.get(clip.speaker, 0.0) + clip.seconds
        return found

    def skip(self, reason: Reason, example: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < NAMED:
            examples.append(example)


def reason_of_text(text: str) -> Reason | None:
    """Return why a text cannot be trained on; None if it can."""
    plain = plain_text(text)
    if training_text(text) is not None:
        return None
    if not plain:
        return Reason.EMPTY
    if _DIGIT.search(plain):
        return Reason.DIGITS
    return Reason.LATIN if _LATIN.search(plain) else Reason.CHARACTERS


def seconds_of(path: Path) -> float | Reason:
    """Return the length of a recording, from its header, or why it cannot be used."""
    if not path.is_file():
        return Reason.MISSING
    try:
        seconds = float(soundfile.info(path).duration)
    except (soundfile.LibsndfileError, OSError, ZeroDivisionError):
        return Reason.UNREADABLE
    if seconds < MIN_SECONDS:
        return Reason.SHORT
    return Reason.LONG if seconds > MAX_SECONDS else seconds


def survey(
    manifests: Iterable[Path],
    forbidden: Collection[str] = (),
    kept_away: Collection[Path] = (),
    advance: Callable[[], None] = lambda: None,
) -> Survey:
    """Sort the clips of manifests into usable and skipped ones.

    Args:
        forbidden: keys of sentences (`forbidden_keys`) that must not be trained on.
        kept_away: resolved paths of recordings that must not be trained on.
        advance: called after each clip.

    Raises:
        OSError: a manifest cannot be read.
        ValueError: a manifest violates the format; the message names the line.
    """
    found = Survey()
    for manifest in manifests:
        source = manifest.resolve().parent.name
        for entry in read_manifest(manifest):
            result = _examined(entry, source, forbidden, kept_away)
            if isinstance(result, Clip):
                found.clips.append(result)
            else:
                found.skip(result, f"{manifest} line {entry.line} ({entry.path.name})")
            advance()
    return found


def _examined(
    entry: Entry, source: str, forbidden: Collection[str], kept_away: Collection[Path]
) -> Clip | Reason:
    if entry.language not in LANGUAGES:
        return Reason.LANGUAGE
    reason = reason_of_text(entry.text)
    if reason is not None:
        return reason
    seconds = seconds_of(entry.path)
    if isinstance(seconds, Reason):
        return seconds
    if kept_away and entry.path.resolve() in kept_away:
        return Reason.HELD_OUT
    # As in the recipe, only sentences are forbidden: a common word may well occur in an evaluation set.
    spelt = training_text(entry.text) or ""
    if forbidden and " " in spelt and is_forbidden(spelt, forbidden):
        return Reason.HELD_OUT
    return Clip(entry.path, entry.text, entry.speaker, seconds, source)


def write_clips(path: Path, clips: Iterable[Clip]) -> None:
    """Write clips as a manifest with absolute paths and the columns seconds and source, atomically."""
    rows = ([c.path.resolve(), c.text, c.speaker, HINDI, round(c.seconds, 3), c.source] for c in clips)
    write_rows(path, ("path", "text", "speaker", "language", "seconds", "source"), rows)


def read_clips(path: Path) -> list[Clip]:
    """Read what `write_clips` wrote."""
    with path.open(encoding="utf-8", newline="") as handle:
        rows = csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            Clip(Path(r["path"]), r["text"], r["speaker"], float(r["seconds"]), r["source"]) for r in rows
        ]


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a TSV file without quotes, atomically. No value may contain a tab or a line break."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(
            handle, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None
        )
        writer.writerow(header)
        writer.writerows(rows)
    part.replace(path)
