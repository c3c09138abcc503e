"""The files written for a recording: texts, picture and, last, NAME.json, which marks them complete."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from shrutlekh_contract.formats import TEXT_FORMATS

from shrutlekh.answers import Job
from shrutlekh.atomic_files import replacing
from shrutlekh.bulk.contents import Content
from shrutlekh.bulk.provenance import Provenance
from shrutlekh.bulk.recordings import JOB_EXTENSION, Recording, same_name

SPOKEN: Final = "spoken"


def existing_outputs(output: str) -> dict[str, str]:
    """Return the paths of the existing outputs, by kind."""
    paths = {kind: f"{output}.{kind}" for kind in ("png", *TEXT_FORMATS, "json")}
    return {kind: path for kind, path in paths.items() if Path(path).is_file()}


def formats_in(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the formats that were written beside NAME.txt and the NAME.json that has this content."""
    return frozenset(document.get("formats", ())) & frozenset(TEXT_FORMATS)


def formats_before(output: str) -> frozenset[str]:
    """Return the formats that an earlier run wrote, even for another recording, so that none is outdated."""
    try:
        return formats_in(json.loads(Path(output + ".json").read_bytes()))
    except (OSError, ValueError, TypeError, AttributeError):
        return frozenset()


def write_outputs(
    recording: Recording,
    job: Job,
    transcript: Mapping[str, Any],
    texts: Mapping[str, str],
    picture: bytes | None,
    provenance: Provenance,
    numerals: str,
) -> dict[str, str]:
    """Write the results of a job and return the paths by kind. Each file is written atomically.

    Args:
        transcript: the JSON transcript of the job.
        texts: the other formats, by name.
        provenance, numerals: recorded for later runs.

    Raises:
        OSError: a file cannot be written.
    """
    output = recording.output
    document = {
        **transcript,
        "file": {"name": recording.name, "bytes": job.file.bytes, "sha256": job.file.sha256},
        "job": job.id,
        **provenance.json(),
        "warnings": [warning.model_dump() for warning in job.warnings],
        "numerals": numerals,
        "formats": sorted(texts.keys() - {"txt"}),
    }
    written = {}
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    if picture is not None:
        written["png"] = write_atomically(output + ".png", picture)
    for kind, text in texts.items():
        written[kind] = write_atomically(f"{output}.{kind}", text.encode())
    content = json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"
    written["json"] = write_atomically(output + ".json", content)
    return written


def former_output(recording: Recording, content: Content) -> str | None:
    """Return where an earlier run wrote the recording's outputs, if that was under another name.

    A recording's outputs get another name when a recording appears beside it, or disappears, that differs
    only in the extension.

    Raises:
        RecordingUnreadable: the recording cannot be read.
    """
    if Path(recording.output + ".json").exists():
        return None
    for former in recording.other_outputs():
        if any(_is_of(former + marker, recording, content) for marker in (".json", JOB_EXTENSION)):
            return former
    return None


def rename_outputs(before: str, after: str) -> None:
    """Rename all outputs. NAME.json is last, so an interrupted call is completed by the next run.

    Raises:
        OSError: a file cannot be renamed.
    """
    for extension in (".png", *(f".{kind}" for kind in TEXT_FORMATS), JOB_EXTENSION, ".json"):
        with suppress(FileNotFoundError):
            Path(before + extension).replace(after + extension)


def _is_of(marker: str, recording: Recording, content: Content) -> bool:
    """Return whether a NAME.json or NAME.job is the recording's.

    Beside the recordings its name tells. Under a folder given by ``--out``, recordings of one name from
    several folders may meet, so the bytes must be equal too.
    """
    try:
        file = json.loads(Path(marker).read_bytes())["file"]
        name, size, sha256 = str(file["name"]), int(file["bytes"]), str(file["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if recording.is_beside_outputs and name == recording.name:
        return True
    return same_name(name, recording.name) and content.has(size, sha256)


def write_atomically(path: str, content: bytes) -> str:
    """Write a file so that it is whole or not there, and return its path.

    Raises:
        OSError: it cannot be written.
    """
    with replacing(Path(path)) as file:
        file.write(content)
    return path
