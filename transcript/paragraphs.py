"""Plain text to read: paragraphs, a new one where somebody paused or somebody else speaks."""

from typing import Final

from transcript.characters import one_line
from transcript.cues import label
from transcript.transcript import Transcript

PAUSE_SECONDS: Final = 2.0
"""A pause so long ends a paragraph."""
LONG_SECONDS: Final = 60.0
"""A paragraph so long ends at the next segment that follows a pause of:"""
SHORT_PAUSE_SECONDS: Final = 0.5


def paragraphs(transcript: Transcript) -> list[str]:
    """The segments' texts, joined by a space to paragraphs of one line each.

    Where channels were heard one by one, a paragraph holds one channel's words and begins with its number.
    """
    written: list[list[str]] = []
    begun = ended = 0.0
    channel: int | None = None
    for segment in transcript.segments:
        text = one_line(segment.text)
        if not text:
            continue
        pause = segment.start - ended
        is_long = segment.start - begun >= LONG_SECONDS
        if (
            not written
            or segment.channel != channel
            or pause >= (SHORT_PAUSE_SECONDS if is_long else PAUSE_SECONDS)
        ):
            written.append([])
            begun, channel = segment.start, segment.channel
        written[-1].append(text if written[-1] or channel is None else label(channel) + text)
        ended = segment.end
    return [" ".join(texts) for texts in written]
