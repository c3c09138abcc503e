"""What can be imperfect about a recording that was transcribed all the same. docs/audio.md has the policy."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self


class WarningCode(StrEnum):
    """A stable code for each kind of imperfection."""

    AUDIO_TRUNCATED = "audio_truncated"
    AUDIO_GAPS = "audio_gaps"
    AUDIO_CLIPPED = "audio_clipped"
    AUDIO_QUIET = "audio_quiet"
    LENGTH_DISAGREES = "length_disagrees"
    CHANNELS_IDENTICAL = "channels_identical"
    CHANNELS_CHANGED = "channels_changed"


MEANINGS: Final = {
    WarningCode.AUDIO_TRUNCATED: "The recording ends early: it was cut off, or never finished.",
    WarningCode.AUDIO_GAPS: "Parts are damaged and count as silence; `spans` has their times.",
    WarningCode.AUDIO_CLIPPED: "The recording is overdriven: its loudest parts are cut off at full scale.",
    WarningCode.AUDIO_QUIET: "The recording is so quiet that words may be missing.",
    WarningCode.LENGTH_DISAGREES: "The header states another length. All that is there was transcribed.",
    WarningCode.CHANNELS_IDENTICAL: "Channels that were transcribed separately hold the same sound.",
    WarningCode.CHANNELS_CHANGED: "The number of channels changes on the way.",
}

MAX_SPANS: Final = 100
"""Most spans that a warning lists. Later ones are in the last span."""


@dataclass(frozen=True, slots=True)
class AudioWarning:
    """An imperfection of a recording.

    Attributes:
        message: a sentence for people.
        spans: where it is, as (start, end) in seconds, in order; empty if it concerns the whole recording.
    """

    code: WarningCode
    message: str
    spans: tuple[tuple[float, float], ...] = ()

    def json(self) -> dict[str, Any]:
        """Return the warning as plain values. Times are rounded to milliseconds."""
        spans = [{"start": round(start, 3), "end": round(end, 3)} for start, end in self.spans]
        return {"code": self.code.value, "message": self.message, "spans": spans}

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what :meth:`json` returned.

        Raises:
            KeyError, ValueError: a member is missing or unknown.
        """
        spans = tuple((span["start"], span["end"]) for span in document["spans"])
        return cls(WarningCode(document["code"]), document["message"], spans)


def sentences(warnings: Iterable[AudioWarning]) -> str:
    """Return the messages of some warnings in one line."""
    return " ".join(warning.message for warning in warnings)
