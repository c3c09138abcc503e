"""The files written for a recording: texts, picture and, last, NAME.json, which marks them complete."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from shrutlekh_contract.formats import TEXT_FORMATS
from shrutlekh_contract.options import NO_OPTIONS, RecognitionOptions

from shrutlekh.answers import Job
from shrutlekh.bulk.recordings import Recording

SPOKEN = "spoken"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The outputs that a run wants for each recording.

    Attributes:
        model: model of the transcript; None accepts any.
        numerals: "spoken", "latin" or "devanagari"; None accepts any, and stands for "spoken" if there is no
            output yet.
        formats: formats to write beside NAME.txt and NAME.json: "srt", "vtt", "tsv".
        picture: whether to write NAME.png.
    """

    model: str | None = None
    recognition: RecognitionOptions = NO_OPTIONS
    numerals: str | None = None
    formats: frozenset[str] = field(default_factory=frozenset)
    picture: bool = True


class Earlier(NamedTuple):
    """Outputs of an earlier run: NAME.json, and whether all other wanted outputs exist."""

    document: dict[str, Any]
    is_complete: bool

    @property
    def numerals(self) -> str:
        """How its numbers are written."""
        return str(self.document.get("numerals", SPOKEN))

    @property
    def formats(self) -> frozenset[str]:
        """The formats that it wrote beside NAME.txt and NAME.json."""
        return frozenset(self.document.get("formats", ())) & frozenset(TEXT_FORMATS)


def earlier_of(recording: Recording, wanted: Wanted) -> Earlier | None:
    """Return the outputs of an earlier run if its transcript is still valid, else None.

    It is valid if it is newer than the recording and was made from the same bytes and, where ``wanted`` names
    them, with that model and those options. The outputs may be incomplete, because files were deleted or not
    wanted then.
    """
    try:
        marker = Path(recording.output + ".json")
        if marker.stat().st_mtime_ns < Path(recording.source).stat().st_mtime_ns:
            return None
        document = json.loads(marker.read_bytes())
        if wanted.model not in {None, document["model"]}:
            return None
        made_with = RecognitionOptions.of_json(document.get("options", {"channels": "mix"}))
        if not all(getattr(made_with, name) == value for name, value in wanted.recognition.chosen().items()):
            return None
        if document["file"]["sha256"] != sha256(recording.source):
            return None
        earlier = Earlier(dict(document), is_complete=False)
        kinds = {"txt", *wanted.formats, *({"png"} if wanted.picture else ())}
        is_complete = wanted.numerals in {None, earlier.numerals} and all(
            Path(f"{recording.output}.{kind}").is_file() for kind in kinds
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return earlier._replace(is_complete=is_complete)


def formats_before(output: str) -> frozenset[str]:
    """Return the formats that an earlier run wrote, even for another recording, so that none is outdated."""
    try:
        document = json.loads(Path(output + ".json").read_bytes())
        return Earlier(document, is_complete=False).formats
    except (OSError, ValueError, TypeError, AttributeError):
        return frozenset()


def existing_outputs(output: str) -> dict[str, str]:
    """Return the paths of the existing outputs, by kind."""
    paths = {kind: f"{output}.{kind}" for kind in ("png", *TEXT_FORMATS, "json")}
    return {kind: path for kind, path in paths.items() if Path(path).is_file()}


def sha256(path: str) -> str:
    """Return the SHA-256 digest of a file in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_outputs(
    output: str,
    job: Job,
    transcript: Mapping[str, Any],
    texts: Mapping[str, str],
    picture: bytes | None,
    *,
    recognition: RecognitionOptions = NO_OPTIONS,
    numerals: str = SPOKEN,
) -> dict[str, str]:
    """Write the results of a job and return the paths by kind. Each file is written atomically.

    Args:
        transcript: the JSON transcript of the job.
        texts: the other formats, by name.
        recognition, numerals: the options of the job, recorded for later runs.

    Raises:
        OSError: a file cannot be written.
    """
    document = {
        **transcript,
        "file": {"name": job.file.name, "bytes": job.file.bytes, "sha256": job.file.sha256},
        "job": job.id,
        "options": recognition.json(),
        "numerals": numerals,
        "formats": sorted(texts.keys() - {"txt"}),
    }
    written = {}
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    if picture is not None:
        written["png"] = _replace(output + ".png", picture)
    for kind, text in texts.items():
        written[kind] = _replace(f"{output}.{kind}", text.encode())
    written["json"] = _replace(
        output + ".json", json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"
    )
    return written


def _replace(path: str, content: bytes) -> str:
    # The temporary name does not include the file's name, which may already have the greatest length.
    handle, name = tempfile.mkstemp(dir=Path(path).parent, prefix=".shrutlekh-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise
    return path


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_UMASK = _umask()  # read once at import, before there are threads: reading it sets it for a moment
