"""Find the transcripts of recordings in a folder, as ``shrutlekh submit --out`` writes them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from modelkit.measuring.manifest import first_of

Tail = tuple[str, ...]  # the last parts of a path


def find_transcripts(folder: Path, recordings: Sequence[Path]) -> dict[Path, Path]:
    """Find NAME.txt, or NAME.wav.txt, of each recording in `folder` and its subfolders.

    ``submit`` repeats the subfolders of the recordings. So the transcript is the one whose path below
    `folder` is the longest end of the recording's path; otherwise the only one in any subfolder that has the
    recording's name.

    Raises:
        FileNotFoundError: recordings without a transcript. The message names the first ones.
        ValueError: several recordings would share a transcript.
    """
    by_tail = {(*path.relative_to(folder).parent.parts, path.stem): path for path in folder.rglob("*.txt")}
    by_name: defaultdict[str, list[Path]] = defaultdict(list)
    for path in by_tail.values():
        by_name[path.stem].append(path)
    found: dict[Path, Path] = {}
    missing: list[str] = []
    for recording in recordings:
        candidates = [by_tail[tail] for tail in _tails(recording) if tail in by_tail]
        named = by_name[recording.stem] + by_name[recording.name]
        if candidates or len(named) == 1:
            found[recording] = (candidates or named)[0]
        else:
            missing.append(f"{recording.stem}.txt")
    if missing:
        raise FileNotFoundError(
            f"{folder} lacks {len(missing)} of {len(recordings)} transcripts: {first_of(missing)}."
        )
    _refuse_shared(found)
    return found


def _tails(recording: Path) -> Iterator[Tail]:
    """Yield the ends of a path, longest first, with the name without and with its extension."""
    path = recording.resolve()
    folders = path.parent.parts
    for start in range(len(folders) + 1):
        yield (*folders[start:], path.stem)
        yield (*folders[start:], path.name)


def _refuse_shared(found: dict[Path, Path]) -> None:
    owners: dict[Path, Path] = {}
    for recording, path in found.items():
        other = owners.setdefault(path, recording)
        if other != recording:
            raise ValueError(f"{path} would be the transcript of both {other} and {recording}.")
