"""A drop folder: its recordings are taken as they arrive, each when it has stopped growing."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from shrutlekh.bulk.recordings import Recording, plan

EMPTY_SECONDS: Final = 60.0
"""How long an empty file must stay as it is: some programs make it first and write it much later."""
SCAN_SHARE: Final = 10
"""The pause between two scans is at least this many times as long as a scan, for folders with many files."""


class _Stamp(NamedTuple):
    """What changes while a file is being written."""

    size: int
    modified_ns: int
    inode: int


class _Seen(NamedTuple):
    """How a file looked, since when (monotonic seconds) it has looked so, and where its outputs go."""

    stamp: _Stamp
    since: float
    output: str


class DropFolder:
    """Iterates over the recordings in folders, existing and new ones, until it is stopped.

    A recording comes when its size and modification time have not changed for ``settle_seconds``. It comes
    again if it changes later, or if its outputs get another name because of a recording beside it.

    Args:
        folders: to watch, with their subfolders.
        out: as for :func:`shrutlekh.bulk.recordings.plan`.
        warn: called with a sentence, once, for each folder that cannot be read.
        settle_seconds: also about the pause between two scans.
    """

    def __init__(
        self,
        folders: list[Path],
        out: Path | None,
        warn: Callable[[str], None],
        settle_seconds: float,
    ) -> None:
        self._folders = folders
        self._out = out
        self._warn = warn
        self._warned: set[str] = set()
        self._settle_seconds = settle_seconds
        self._stopped = threading.Event()
        self._seen: dict[str, _Seen] = {}
        self._taken: dict[str, tuple[_Stamp, str]] = {}

    def stop(self) -> None:
        """End the iteration."""
        self._stopped.set()

    def __iter__(self) -> Iterator[Recording]:
        while not self._stopped.is_set():
            began = time.monotonic()
            yield from self._settled(began)
            scan_seconds = time.monotonic() - began
            self._stopped.wait(max(self._settle_seconds / 2, SCAN_SHARE * scan_seconds))

    def _settled(self, moment: float) -> list[Recording]:
        """Return the recordings that have stopped growing and were not taken as they are."""
        # A folder may be away for a while, such as one on a network.
        recordings = plan([folder for folder in self._folders if folder.is_dir()], self._out, self._warn_once)
        settled = []
        seen: dict[str, _Seen] = {}
        for recording in recordings:
            stamp = _stamp_of(recording.source)
            if stamp is None:
                continue
            before = self._seen.get(recording.source)
            if before is None or (before.stamp, before.output) != (stamp, recording.output):
                before = _Seen(stamp, moment, recording.output)
            seen[recording.source] = before
            needed = self._settle_seconds if stamp.size else max(EMPTY_SECONDS, self._settle_seconds)
            is_new = self._taken.get(recording.source) != (stamp, recording.output)
            if is_new and moment - before.since >= needed:
                self._taken[recording.source] = stamp, recording.output
                settled.append(recording)
        self._seen = seen
        self._taken = {source: taken for source, taken in self._taken.items() if source in seen}
        return settled

    def _warn_once(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            self._warn(message)


def _stamp_of(path: str) -> _Stamp | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - a string, see shrutlekh.bulk.recordings
    except OSError:  # it was moved away
        return None
    return _Stamp(status.st_size, status.st_mtime_ns, status.st_ino)
