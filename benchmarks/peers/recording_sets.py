"""The recordings of the comparison, with their texts: clips as they are, as 16 kHz WAV, and joined."""

from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import soundfile

from benchmarks.recordings import PAUSE_SECONDS, Clip, clips, decoded, long

CLIPS, WAV, LONG = "clips", "wav", "long"
SHORT_SETS = (WAV, CLIPS)
ALL_SETS = (WAV, CLIPS, LONG)

RATE = 16_000


@dataclass(frozen=True, slots=True)
class RecordingSet:
    """Recordings and their texts, one text each.

    Attributes:
        whole: whether a program may recognise each recording as a whole; otherwise it must cut it.
    """

    name: str
    title: str
    paths: list[str]
    texts: list[str]
    seconds: float
    whole: bool = True


def make_sets(
    spoken: list[Clip], folder: Path, minutes: float, count: int | None = None
) -> list[RecordingSet]:
    """Write WAV files of the clips and the joined recording to `folder`, and return all sets.

    Args:
        spoken: all clips that `benchmarks.recordings.long` joins, with their texts.
        minutes: length of the joined recording.
        count: how many clips the sets of clips have; None for all.
    """
    chosen = spoken[:count]
    texts = [clip.text for clip in chosen]
    waves = {clip.path: _written(clip.path, folder) for clip in spoken}
    frames = {path: soundfile.info(wave).frames for path, wave in waves.items()}
    seconds = sum(frames[clip.path] for clip in chosen) / RATE
    joined = long(folder / "joined", 60 * minutes, RATE).paths[0]
    length = soundfile.info(joined).frames
    reference = " ".join(_texts_until(length, {clip.path: clip.text for clip in spoken}, frames))
    return [
        RecordingSet(WAV, "clips as 16 kHz WAV", [str(waves[clip.path]) for clip in chosen], texts, seconds),
        RecordingSet(CLIPS, "clips as they are", [str(clip.path) for clip in chosen], texts, seconds),
        RecordingSet(
            LONG,
            f"one recording of {length / RATE / 60:.0f} min",
            [str(joined)],
            [reference],
            length / RATE,
            whole=False,
        ),
    ]


def _written(path: Path, folder: Path) -> Path:
    target = folder / f"{path.stem}.wav"
    soundfile.write(target, decoded(path, RATE), RATE, subtype="PCM_16")
    return target


def _texts_until(length: int, texts: dict[Path, str], frames: dict[Path, int]) -> list[str]:
    """Return the texts in the joined recording of `length` samples, which `recordings.long` made."""
    found: list[str] = []
    done = 0
    for path in cycle(clips()):
        if done >= length:
            break
        found.append(texts[path])
        done += frames[path] + int(PAUSE_SECONDS * RATE)
    return found
