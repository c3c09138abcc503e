"""The operator's word to all workers to finish what they do and take nothing new.

A file in the data folder: every worker reads recordings there, so every worker can see it; a look is one
``stat``; and it outlasts an emptied Redis and a restart of anything, for it is before such work that an
operator drains.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

FILE_NAME: Final = "draining"


def begin(data_dir: Path) -> None:
    """Let no worker take a job any more. Told twice, the time of the first stays.

    Raises:
        OSError: the data folder cannot be written.
    """
    (data_dir / FILE_NAME).open("ab").close()


def end(data_dir: Path) -> None:
    """Let the workers go on. The sweeper rings for what waits."""
    (data_dir / FILE_NAME).unlink(missing_ok=True)


def is_draining(data_dir: Path) -> bool:
    """Whether no job shall be taken."""
    return (data_dir / FILE_NAME).exists()


def draining_since(data_dir: Path) -> datetime | None:
    """When the workers were told; None when they take jobs."""
    try:
        return datetime.fromtimestamp((data_dir / FILE_NAME).stat().st_mtime, UTC)
    except FileNotFoundError:
        return None
