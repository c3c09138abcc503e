"""Segments as they lie in the database."""

import uuid
from collections.abc import Sequence

from transcript.words import Segment


def rows_of(job_id: uuid.UUID, first: int, segments: Sequence[Segment]) -> list[dict[str, object]]:
    """Segments as rows of the table, counted from ``first``. Times to the millisecond."""
    return [
        {
            "job_id": job_id,
            "position": position,
            "start_seconds": round(segment.start, 3),
            "end_seconds": round(segment.end, 3),
            "channel": segment.channel,
            "text": segment.text,
            "confidence": None if segment.confidence is None else round(segment.confidence, 4),
            "words": [
                {
                    "text": word.text,
                    "start": round(word.start, 3),
                    "end": round(word.end, 3),
                    "confidence": round(word.confidence, 4),
                }
                for word in segment.words
            ],
        }
        for position, segment in enumerate(segments, first)
    ]
