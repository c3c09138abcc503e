"""Room on a local disk, and a full disk as an error with a code."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import StorageFull

DISK_FULL = "The server has no disk space for this recording. Contact the operator."


def require_disk_room(folder: Path, size: int, reserve: int) -> None:
    """Check that ``size`` more bytes fit on the folder's disk without eating into the reserve.

    Raises:
        StorageFull: they do not fit.
    """
    with translated_disk_errors():
        folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < reserve + size:
        raise StorageFull(DISK_FULL)


@contextmanager
def translated_disk_errors() -> Iterator[None]:
    """Turn the operating system's disk-full and quota errors into StorageFull."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(DISK_FULL) from error
        raise
