"""The files written for a recording: NAME.txt, NAME.png and, last, NAME.json, which marks them complete."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from client.answers import Job
from client.recordings import Recording


def finished_before(recording: Recording, model: str | None, picture: bool) -> dict[str, Any] | None:
    """The NAME.json of an earlier run if it is still right, else None.

    Right means: newer than the recording, made of the same bytes and, if ``model`` is given, by that model,
    with the other files still there.
    """
    try:
        marker = Path(recording.output + ".json")
        if marker.stat().st_mtime_ns < Path(recording.source).stat().st_mtime_ns:
            return None
        others = [".txt", ".png"] if picture else [".txt"]
        if not all(Path(recording.output + extension).is_file() for extension in others):
            return None
        document = json.loads(marker.read_bytes())
        if model not in {None, document["model"]}:
            return None
        same = document["file"]["sha256"] == sha256(recording.source)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(document) if same else None


def existing_outputs(output: str) -> dict[str, str]:
    """The paths by kind of the outputs that are there."""
    paths = {kind: f"{output}.{kind}" for kind in ("png", "txt", "json")}
    return {kind: path for kind, path in paths.items() if Path(path).is_file()}


def sha256(path: str) -> str:
    """Digest of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_outputs(
    output: str, job: Job, transcript: Mapping[str, Any], picture: bytes | None
) -> dict[str, str]:
    """Write what a job made; returns the paths by kind. Each file appears whole or not at all.

    Raises:
        OSError: a file cannot be written.
    """
    file = {"name": job.file.name, "bytes": job.file.bytes, "sha256": job.file.sha256}
    document = {**transcript, "file": file, "job": job.id}
    written = {}
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    if picture is not None:
        written["png"] = _replace(output + ".png", picture)
    written["txt"] = _replace(output + ".txt", f"{transcript['text']}\n".encode())
    written["json"] = _replace(
        output + ".json", json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"
    )
    return written


def _replace(path: str, content: bytes) -> str:
    # The temporary name is not made of the file's: that may already be as long as a name can be.
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


_UMASK = _umask()  # reading it sets it for a moment, so once and before there are threads
