"""Where speech is: cuts recordings into chunks, plans batches of them, joins what was recognised of them."""

from speech.segments.batch_plan import LOOK_AHEAD, RUN_SECONDS, WORKING_BYTES, LookAhead, plan
from speech.segments.energy import Chunk, EnergySegmenter, Segmenter
from speech.segments.joining import Joiner, Piece, Seam, SeamFinder
from speech.segments.loudness import raise_quiet
from speech.segments.silero_graph import CONTEXT, FRAME
from speech.segments.voice import (
    RATE,
    SileroDetector,
    Span,
    VoiceDetector,
    silero_model,
)

__all__ = [
    "CONTEXT",
    "FRAME",
    "LOOK_AHEAD",
    "RATE",
    "RUN_SECONDS",
    "WORKING_BYTES",
    "Chunk",
    "EnergySegmenter",
    "Joiner",
    "LookAhead",
    "Piece",
    "Seam",
    "SeamFinder",
    "Segmenter",
    "SileroDetector",
    "Span",
    "VoiceDetector",
    "plan",
    "raise_quiet",
    "silero_model",
]
