"""Whisper's features: log-mel spectrograms.

Source: A. Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), section 2.2;
the mel scale and the area normalisation are those of M. Slaney, "Auditory Toolbox" (1998).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from speech.recognisers.protocol import Samples

SILENCE: Final = "silence"
ZERO: Final = "zero"
PADDINGS: Final = (SILENCE, ZERO)

RATE: Final = 16_000
WINDOW: Final = 400
HOP: Final = 160
WINDOW_SECONDS: Final = 30
FRAMES: Final = WINDOW_SECONDS * RATE // HOP
"""Frames of a spectrogram: 30 seconds, whatever the waveform's length."""

FAINTEST: Final = -10.0
"""Base-10 logarithm of the least power."""

RANGE: Final = 8.0
"""How far, in powers of ten, the faintest value may be below the loudest one."""

LINEAR_STEP: Final = 200.0 / 3
LINEAR_END: Final = 1000.0
LOG_STEP: Final = np.log(6.4) / 27.0
"""Slaney's scale: a mel is 200/3 Hz up to 1,000 Hz; above, 27 mels are a factor of 6.4."""


class LogMel:
    """Computes log-mel spectrograms.

    Args:
        bands: number of mel bands.
        padding: what follows a waveform in the 30 seconds: "silence", as in OpenAI's and Hugging Face's
            pipelines, or "zero", as in faster-whisper's, where a zero stands for medium loudness.
    """

    def __init__(self, bands: int, padding: str = SILENCE) -> None:
        self._bands = bands
        self._padding = padding
        self._filters = mel_filters(bands).astype(np.float32)
        self._window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)

    def __call__(self, waveform: Samples) -> npt.NDArray[np.float32]:
        """Return the spectrogram, shape (bands, FRAMES), of a waveform of shape (n,). What is beyond 30
        seconds is ignored."""
        samples = waveform[: FRAMES * HOP]
        count = min(-(-(len(samples) + WINDOW // 2) // HOP), FRAMES)  # frames that touch the waveform
        logs = np.full((self._bands, FRAMES), FAINTEST, np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(self._padded(samples, count), WINDOW)[::HOP]
        power = np.abs(np.fft.rfft(frames * self._window, axis=1)).astype(np.float32) ** 2
        logs[:, :count] = np.log10(np.maximum(self._filters @ power.T, 10**FAINTEST))
        scaled: npt.NDArray[np.float32] = (np.maximum(logs, logs.max() - RANGE) + 4.0) / 4.0
        if self._padding == ZERO:
            scaled[:, len(samples) // HOP :] = 0.0
        return scaled

    def _padded(self, samples: Samples, count: int) -> Samples:
        """Return the samples of `count` frames. The first is centred on the first sample, and the waveform is
        mirrored at its beginning and at 30 seconds."""
        edge = WINDOW // 2
        padded = np.zeros((count - 1) * HOP + WINDOW, np.float32)
        within = min(len(samples), len(padded) - edge)
        padded[edge : edge + within] = samples[:within]
        head = samples[1 : edge + 1][::-1]
        padded[edge - len(head) : edge] = head
        beyond = len(padded) - edge - FRAMES * HOP
        if self._padding == SILENCE and beyond > 0:
            padded[-beyond:] = padded[-2 * beyond - 1 : -beyond - 1][::-1]
        return padded


def mel_filters(bands: int) -> npt.NDArray[np.float64]:
    """Return triangular filters of equal area, shape (bands, WINDOW // 2 + 1)."""
    hertz = _hertz(np.linspace(0.0, _mel(RATE / 2), bands + 2))
    bins = np.fft.rfftfreq(WINDOW, 1 / RATE)
    widths = np.diff(hertz)
    slopes = hertz[:, None] - bins
    rising = -slopes[:-2] / widths[:-1, None]
    falling = slopes[2:] / widths[1:, None]
    filters: npt.NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    return filters * (2.0 / (hertz[2:] - hertz[:-2]))[:, None]


def _mel(hertz: float) -> float:
    return float(LINEAR_END / LINEAR_STEP + np.log(hertz / LINEAR_END) / LOG_STEP)


def _hertz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    bend = LINEAR_END / LINEAR_STEP
    found: npt.NDArray[np.float64] = np.where(
        mels < bend, LINEAR_STEP * mels, LINEAR_END * np.exp(LOG_STEP * (mels - bend))
    )
    return found
