"""Download files of the hub: resumed after an interruption, and compared with the hub's digests.

huggingface_hub 2 begins an interrupted file from the start, so the bytes are fetched here, with its client.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from huggingface_hub import get_session, hf_raise_for_status

from modelkit.errors import DiskFull, DownloadCorrupt, DownloadFailed
from modelkit.sources.disk import full_disk_told
from modelkit.sources.hub_errors import is_transient

PARTIAL: Final = ".partial"  # folder of unfinished files, each under its digest
WAITS: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each new try after a failure. A try that brought bytes begins the row again."""
TIMEOUT: Final = 30.0  # seconds without a byte after which a connection counts as broken
BLOCK: Final = 2**20

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of the hub.

    Attributes:
        size: in bytes.
        digest: hexadecimal: sha256 of a large file, which the hub keeps outside git, else git's object name.
        is_git: whether `digest` is git's.
    """

    name: str
    url: str
    size: int
    digest: str
    is_git: bool

    def partial(self, into: Path) -> Path:
        """Where the file lies until it is complete. The digest in the name keeps two revisions apart."""
        return into / PARTIAL / self.digest

    def bytes_there(self, into: Path) -> int:
        """Count the bytes that an earlier run left."""
        return next(
            (path.stat().st_size for path in (into / self.name, self.partial(into)) if path.is_file()), 0
        )


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes from downloading to a folder: two that append to one file would damage it.

    Raises:
        DownloadFailed: another process downloads to it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise DownloadFailed(f"Another command downloads to {folder}: wait until it ends.") from error
    except OSError:  # a network file system without locks of folders
        pass
    try:
        yield
    finally:
        os.close(handle)


def download(file: RemoteFile, into: Path, headers: dict[str, str], advance: Callable[[int], None]) -> str:
    """Download a file, or what is missing of it.

    Args:
        headers: sent to the hub; not to another host that it redirects to, if they hold a token.
        advance: called with the number of bytes that came, negative if they have to come again.

    Returns:
        Its sha256.

    Raises:
        DownloadCorrupt: it is not what the hub's digest names. It is removed.
        DiskFull: it does not fit. What came of it is removed.
    """
    path, partial = into / file.name, file.partial(into)
    if (digest := _digest_if_intact(path, file)) is not None:
        advance(file.size)
        return digest
    path.unlink(missing_ok=True)
    try:
        with full_disk_told(into):
            partial.parent.mkdir(parents=True, exist_ok=True)
            _complete(file, partial, headers, advance)
        digest = _digest_if_intact(partial, file)
        if digest is None:
            raise DownloadCorrupt(
                f"{file.name} is not the file whose digest the hub names. It was removed: run the command "
                "again. If that does not help, something on the way to the hub changes files."
            )
    except (DownloadCorrupt, DiskFull):  # others need the space now
        partial.unlink(missing_ok=True)
        raise
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(path)
    return digest


def with_retries(call: Callable[[], Result], made_progress: Callable[[], bool] = lambda: False) -> Result:
    """Call until it succeeds, fails for good, or fails `len(WAITS) + 1` times in a row without progress."""
    failures = 0
    while True:
        try:
            return call()
        except Exception as error:
            if made_progress():
                failures = 0
            if not is_transient(error) or failures == len(WAITS):
                raise
            time.sleep(WAITS[failures])
            failures += 1


def _complete(
    file: RemoteFile, partial: Path, headers: dict[str, str], advance: Callable[[int], None]
) -> None:
    """Append to an unfinished file until it has all its bytes."""
    advance(seen := _size(partial))

    def made_progress() -> bool:
        nonlocal seen
        before, seen = seen, _size(partial)
        return seen > before

    while seen < file.size:
        with_retries(lambda: _append(file, partial, headers, advance), made_progress)
        if not made_progress():
            break
    if file.size == 0:
        partial.touch()
    if seen != file.size:
        raise DownloadCorrupt(
            f"The hub says that {file.name} has {file.size} bytes, and sends another number."
        )


def _append(file: RemoteFile, partial: Path, headers: dict[str, str], advance: Callable[[int], None]) -> None:
    """Ask for what is missing, and write what comes."""
    there = _size(partial)
    asked: dict[str, Any] = {**headers, "Accept-Encoding": "identity"}
    if there:
        asked["Range"] = f"bytes={there}-"
    with get_session().stream("GET", file.url, headers=asked, timeout=TIMEOUT) as response:
        if response.status_code == 416:  # the file ends before
            raise DownloadCorrupt(
                f"The hub has fewer than the {file.size} bytes of {file.name} that it names."
            )
        hf_raise_for_status(response)
        if there and response.status_code != 206:
            advance(-there)
            there = 0
        with partial.open("ab" if there else "wb") as out:
            for block in response.iter_bytes():
                there += len(block)
                if there > file.size:
                    raise DownloadCorrupt(f"The hub sends more than the {file.size} bytes of {file.name}.")
                out.write(block)
                advance(len(block))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _digest_if_intact(path: Path, file: RemoteFile) -> str | None:
    """Compute a file's sha256. None if the file is missing or not the right one."""
    if not path.is_file() or _size(path) != file.size:
        return None
    ours = hashlib.sha256()
    git = hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)  # how git names the content of a file
    with path.open("rb") as content:
        while block := content.read(BLOCK):
            ours.update(block)
            if file.is_git:
                git.update(block)
    found = git if file.is_git else ours
    return ours.hexdigest() if found.hexdigest() == file.digest else None
