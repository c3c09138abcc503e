"""Drain mode: the operator's switch that makes all workers finish their jobs and take no new ones.

The switch is a file in the data folder. Every worker reads recordings there and so sees it, a check is one
``stat``, and it survives a Redis flush and any restart, which is the kind of maintenance that operators drain
for.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

FILE_NAME: Final = "draining"


def begin(data_dir: Path) -> None:
    """Stop all workers from taking jobs. Calling it again keeps the start time of the first call.

    Raises:
        OSError: the data folder cannot be written.
    """
    (data_dir / FILE_NAME).open("ab").close()


def end(data_dir: Path) -> None:
    """Let the workers take jobs again. The sweeper then rings for the queued ones."""
    (data_dir / FILE_NAME).unlink(missing_ok=True)


def is_draining(data_dir: Path) -> bool:
    """Return whether workers must not take jobs."""
    return (data_dir / FILE_NAME).exists()


def draining_since(data_dir: Path) -> datetime | None:
    """Return when the drain began, or None if workers may take jobs."""
    try:
        return datetime.fromtimestamp((data_dir / FILE_NAME).stat().st_mtime, UTC)
    except FileNotFoundError:
        return None
