"""What `Engine.transcribe` yields: segments, progress, and a summary at the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from shrutlekh_contract.audio_warnings import AudioWarning

from transcript.words import Segment

if TYPE_CHECKING:  # peaks load numpy, which `import speech` must not
    from speech.waveform.peaks import Peaks


class Progress(NamedTuple):
    """How far a recording is.

    Attributes:
        part: fraction of the recording whose words are known, 0 to 1. Never falls.
        chunks_done: chunks at the beginning whose segments were all yielded. Another attempt can skip them,
            see `Engine.transcribe`.
        audio_seconds: seconds of audio decoded so far.
    """

    part: float
    chunks_done: int
    audio_seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of a recording as a whole.

    Attributes:
        seconds: its length.
        sample_rate: of the file, in hertz.
        channels: of the file.
        speech_seconds: seconds taken for speech, summed over all tracks, with the pauses kept around it.
        stage_seconds: wall-clock seconds by stage: "decode" (file to chunks and peaks), "infer" (graph) and
            "text" (log-probabilities to words).
        fills: for each batch, the part of it that was audio and not padding.
        peaks: its waveform.
        warnings: what is imperfect about it, see docs/audio.md.
    """

    seconds: float
    sample_rate: int
    channels: int
    speech_seconds: float
    stage_seconds: Mapping[str, float]
    fills: tuple[float, ...]
    peaks: "Peaks"
    warnings: tuple[AudioWarning, ...] = ()


Event = Segment | Progress | Summary
