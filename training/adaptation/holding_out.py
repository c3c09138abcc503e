"""Which clips to keep from training, so that the error rate is measured on voices and sentences unheard."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from training.adaptation.survey import Clip
from training.text.sentences import holds_forbidden
from training.text.spelling import text_key

SHARE, MOST_SECONDS = 0.1, 1200.0
"""Share of the audio to hold out, and its upper limit."""
_LARGEST_SPEAKER = 0.3
"""A speaker with a larger share of the audio is not held out."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The clips to train on and the held-out ones.

    Attributes:
        speakers: the held-out speakers; empty if the clips were drawn from all speakers.
        dropped: clips that are in neither part, because a held-out clip has the same sentence.
    """

    train: list[Clip]
    held_out: list[Clip]
    speakers: tuple[str, ...]
    dropped: int = 0


def split(clips: Sequence[Clip], speakers: Collection[str] = (), keep_sentences: bool = False) -> Parts:
    """Hold out about a tenth of the audio: whole speakers, or single sentences if there are too few speakers.

    The choice depends on the names and sizes of the speakers only, so it is the same in every run.

    Args:
        speakers: hold out these instead.
        keep_sentences: train on held-out sentences too, if another speaker says them.
    """
    chosen = tuple(sorted(speakers)) or chosen_speakers(clips)
    if chosen:
        held_out = [clip for clip in clips if clip.speaker in chosen]
        rest = [clip for clip in clips if clip.speaker not in chosen]
    else:
        wanted = min(SHARE * sum(clip.seconds for clip in clips), MOST_SECONDS)
        held_out, taken = [], 0.0
        keys: set[str] = set()
        for clip in sorted(clips, key=lambda clip: _digest(text_key(clip.text))):
            key = text_key(clip.text)
            if taken < wanted or key in keys:
                held_out.append(clip)
                keys.add(key)
                taken += clip.seconds
        rest = [clip for clip in clips if text_key(clip.text) not in keys]
    if keep_sentences and chosen:
        return Parts(rest, held_out, chosen)
    forbidden = {text_key(clip.text) for clip in held_out if " " in clip.text.strip()}
    train = [clip for clip in rest if not _is_held_out(clip, forbidden)]
    return Parts(train, held_out, chosen, len(rest) - len(train))


def chosen_speakers(clips: Sequence[Clip]) -> tuple[str, ...]:
    """Choose speakers with about `SHARE` of the audio; none if each has too large a share."""
    seconds: dict[str, float] = {}
    for clip in clips:
        seconds[clip.speaker] = seconds.get(clip.speaker, 0.0) + clip.seconds
    total = sum(seconds.values())
    wanted = min(SHARE * total, MOST_SECONDS)
    candidates = [name for name in seconds if name and seconds[name] <= _LARGEST_SPEAKER * total]
    chosen: list[str] = []
    taken = 0.0
    for name in sorted(candidates, key=_digest):
        if taken >= wanted:
            break
        if taken == 0.0 or taken + seconds[name] <= 2 * wanted:
            chosen.append(name)
            taken += seconds[name]
    return tuple(sorted(chosen))


def at_most(clips: Sequence[Clip], seconds: float) -> list[Clip]:
    """Draw clips of about `seconds` in total, the same ones in every run; all if there are no more."""
    chosen, taken = set(), 0.0
    for number in sorted(range(len(clips)), key=lambda number: _digest(clips[number].path.name)):
        if taken + clips[number].seconds <= seconds:
            chosen.add(number)
            taken += clips[number].seconds
    return [clip for number, clip in enumerate(clips) if number in chosen]


def _is_held_out(clip: Clip, forbidden: Collection[str]) -> bool:
    return bool(forbidden) and " " in clip.text.strip() and holds_forbidden(text_key(clip.text), forbidden)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
