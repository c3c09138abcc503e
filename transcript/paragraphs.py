"""Paragraphs of plain text: a new one begins at a long pause or a change of speaker."""

from typing import Final

from transcript.characters import one_line
from transcript.cues import label
from transcript.transcript import Transcript

PAUSE_SECONDS: Final = 2.0
"""A pause of this length ends a paragraph."""
LONG_SECONDS: Final = 60.0
"""After this length, a pause of SHORT_PAUSE_SECONDS already ends a paragraph."""
SHORT_PAUSE_SECONDS: Final = 0.5


def paragraphs(transcript: Transcript) -> list[str]:
    """Join the segments' texts to paragraphs of one line each.

    If channels were transcribed separately, a paragraph holds the words of one channel, after its label.
    """
    gathered: list[list[str]] = []
    begun = ended = 0.0
    channel: int | None = None
    for segment in transcript.segments:
        text = one_line(segment.text)
        if not text:
            continue
        pause = segment.start - ended
        is_long = segment.start - begun >= LONG_SECONDS
        if (
            not gathered
            or segment.channel != channel
            or pause >= (SHORT_PAUSE_SECONDS if is_long else PAUSE_SECONDS)
        ):
            gathered.append([])
            begun, channel = segment.start, segment.channel
        gathered[-1].append(text if gathered[-1] or channel is None else label(channel) + text)
        ended = segment.end
    return [" ".join(texts) for texts in gathered]
