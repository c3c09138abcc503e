"""The waveform of a recording and its spectrogram: what is measured, and pictures of it.

The pictures load matplotlib; what draws them is imported when it is first used.
"""

from typing import TYPE_CHECKING, Any, Protocol

from speech.waveform.peaks import PeakMeter, Peaks, Samples
from speech.waveform.spectrogram import Spectrogram, SpectrogramMeter


class Meter(Protocol):
    """Measures something of a recording while it is read."""

    def push(self, block: Samples) -> None:
        """Add the next samples, shape (n,)."""


if TYPE_CHECKING:
    from speech.waveform.picture import Painter, paint
    from speech.waveform.spectrogram_picture import paint_spectrogram

__all__ = [
    "Meter",
    "Painter",
    "PeakMeter",
    "Peaks",
    "Spectrogram",
    "SpectrogramMeter",
    "paint",
    "paint_spectrogram",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from speech.waveform import picture, spectrogram_picture

    return getattr(spectrogram_picture if name == "paint_spectrogram" else picture, name)
