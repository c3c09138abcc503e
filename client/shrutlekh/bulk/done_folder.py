"""A folder that finished recordings are moved to, beside their outputs."""

# Strings instead of Path objects, as in shrutlekh.bulk.recordings.
# ruff: noqa: PTH104, PTH118, PTH119, PTH120, PTH122, PTH208

import errno
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from shrutlekh.atomic_files import replacing
from shrutlekh.bulk.recordings import Recording, is_recording, same_name


class DoneFolder:
    """Gives recordings their place in the folder, and moves them there.

    Recorders reuse names. So a recording whose name is taken there, by one that was moved earlier, gets the
    first free number: ``REC01.wav`` becomes ``REC01-2.wav``, and its outputs ``REC01-2.txt`` and so on.
    """

    def __init__(self, recordings: Iterable[Recording]) -> None:
        """
        Args:
            recordings: planned with this folder as ``out``.
        """
        self._recordings = recordings
        self._places: dict[str, str] = {}
        self._changes = threading.Lock()

    def __iter__(self) -> Iterator[Recording]:
        """Yield the recordings, with outputs that replace no other recording's."""
        for recording in self._recordings:
            with self._changes:
                others = [place for source, place in self._places.items() if source != recording.source]
                placed = _placed(recording, others)
                self._places[recording.source] = placed.place
            yield placed

    def take(self, source: str) -> str:
        """Move a recording to its place, and return that.

        Raises:
            OSError: it cannot be moved. It stays where it is.
        """
        with self._changes:
            place = self._places.pop(source)
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            _move(source, place)
        return place


def _placed(recording: Recording, reserved: list[str]) -> Recording:
    folder, name = os.path.split(recording.place)
    stem, extension = os.path.splitext(name)
    try:
        there = [other for other in os.listdir(folder) if is_recording(other)]
    except OSError:
        there = []
    there += [os.path.basename(place) for place in reserved if os.path.dirname(place) == folder]
    if not any(same_name(os.path.splitext(other)[0], stem) for other in there):
        return recording
    taken = [os.path.splitext(other)[0] for other in there]
    for number in count(2):
        numbered = f"{stem}-{number}"
        if not any(same_name(other, numbered) for other in taken):
            place = os.path.join(folder, numbered + extension)
            return recording._replace(output=os.path.join(folder, numbered), place=place)
    raise AssertionError("unreachable: there is always a free number")


def _move(source: str, place: str) -> None:
    try:
        os.rename(source, place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # Another file system.
        with Path(source).open("rb") as recording, replacing(Path(place)) as copy:
            shutil.copyfileobj(recording, copy)
        shutil.copystat(source, place)
        Path(source).unlink()
