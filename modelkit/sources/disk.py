"""Tell a full disk, before something is written and while it is."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from modelkit.errors import DiskFull

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
RESERVE: Final = 2**20  # bytes for folders, descriptions and what the file system needs itself


def need_space(folder: Path, size: int) -> None:
    """Check that `size` more bytes fit on the disk of an existing folder.

    Raises:
        DiskFull: they do not.
    """
    free = shutil.disk_usage(folder).free
    if size + RESERVE > free:
        raise DiskFull(
            f"{_megabytes(size + RESERVE)} are needed in {folder}, and {_megabytes(free)} are free: "
            "make room, or choose a models folder on another disk."
        )


@contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """Turn the error of a write to a full disk into `DiskFull`.

    Raises:
        DiskFull: a write failed for lack of space, quota, or because the file system takes no larger file.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskFull(
            f"The disk of {folder} became full ({error.strerror}): make room and run the command again."
        ) from error


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
