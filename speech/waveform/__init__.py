"""The waveform of a recording: its peaks and a picture of them.

The picture loads matplotlib; `Painter` and `paint` are imported when they are first used.
"""

from typing import TYPE_CHECKING, Any

from speech.waveform.peaks import PeakMeter, Peaks

if TYPE_CHECKING:
    from speech.waveform.picture import Painter, paint

__all__ = ["Painter", "PeakMeter", "Peaks", "paint"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from speech.waveform import picture

    return getattr(picture, name)
