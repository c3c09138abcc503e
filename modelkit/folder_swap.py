"""Move a finished model folder to its place atomically."""

import ctypes
import os
import shutil
import sys
import tempfile
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux' <fcntl.h>


def replace_folder(staged: Path, target: Path) -> None:
    """Replace `target` by `staged`, a folder beside it.

    Readers see either the old or the new one. Where the system cannot exchange folders, they may see none for
    a moment.
    """
    if not target.exists():
        staged.rename(target)
    elif _exchange(staged, target):
        shutil.rmtree(staged)
    else:
        away = Path(tempfile.mkdtemp(prefix=f".{target.name}.old-", dir=target.parent))
        target.rename(away / target.name)
        staged.rename(target)
        shutil.rmtree(away)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders atomically, see renameat2(2). False if the system or file system cannot."""
    if sys.platform != "linux":
        return False
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    paths = os.fsencode(one), os.fsencode(other)
    return bool(renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a model folder to `target`, which never exists half-copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{target.name}.new-", dir=target.parent))
    try:
        shutil.copytree(source, staged, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*", "*.part"))
        for path in staged.rglob("*"):
            if path.is_file():
                with path.open("rb") as handle:
                    os.fsync(handle.fileno())
        staged.chmod(0o755)
        replace_folder(staged, target)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
