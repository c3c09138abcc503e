"""Move a finished model folder to its place atomically."""

import os
import shutil
import tempfile
from pathlib import Path


def replace_folder(staged: Path, target: Path) -> None:
    """Replace `target` by `staged`, a folder beside it. Readers see either the old or the new one."""
    if not target.exists():
        staged.rename(target)
        return
    away = Path(tempfile.mkdtemp(prefix=f".{target.name}.old-", dir=target.parent))
    target.rename(away / target.name)
    staged.rename(target)
    shutil.rmtree(away)


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
