"""Write a file so that it is complete at its path, or not there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path``, which takes its place at the end unless the block raises.

    Raises:
        OSError: the file cannot be written.
    """
    # The temporary name does not include the file's name, which may already have the greatest length.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".shrutlekh-", delete=False) as file:
        temporary = Path(file.name)
        try:
            yield cast("BinaryIO", file)
            file.close()
            temporary.chmod(_MODE)
            temporary.replace(path)
        except BaseException:
            temporary.unlink()
            raise


def _mode() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


_MODE = _mode()  # read once at import, before there are threads: reading it sets it for a moment
