"""The log-mel spectrogram of a recording, measured in blocks and in constant memory."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from speech.waveform.peaks import Samples

WINDOW_SECONDS: Final = 0.025
HOP_SECONDS: Final = 0.010
BANDS: Final = 80
FRAMES_A_COLUMN: Final = 4
"""Most frames that are computed for a column. In long recordings they are spread over its time."""

Powers = npt.NDArray[np.float32]
"""Mean power of each band of each column, shape (columns, bands)."""


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """Mean power of mel bands over time.

    Attributes:
        powers: shape (columns, bands), bands from low to high. The frames of column i are centred on times
            from i * column_seconds on.
        column_seconds: time that a column stands for.
        seconds: length of the recording.
        highest: upper end of the bands in hertz; the lower end is 0.
    """

    powers: Powers
    column_seconds: float
    seconds: float
    highest: float

    def decibels(self) -> npt.NDArray[np.float32]:
        """Return the powers in decibels below the loudest; at most 0, shape (columns, bands)."""
        loudest = max(float(self.powers.max(initial=0.0)), 1e-30)
        levels: npt.NDArray[np.float32] = 10 * np.log10(np.maximum(self.powers / loudest, 1e-10))
        return levels


class SpectrogramMeter:
    """Collects a spectrogram from blocks of samples.

    A column begins as one frame. Whenever there are `capacity` of them they are merged in pairs, as in
    `speech.waveform.PeakMeter`. When a column stands for more than `FRAMES_A_COLUMN` hops, frames between are
    skipped, so that the cost of an hour falls with the length of the recording.

    Args:
        sample_rate: of the blocks, in hertz.
        capacity: most columns; even.
    """

    def __init__(self, sample_rate: int, capacity: int = 2048) -> None:
        self._rate = sample_rate
        self._window = round(WINDOW_SECONDS * sample_rate)
        self._hop = round(HOP_SECONDS * sample_rate)
        self._taper = np.hanning(self._window + 1)[:-1].astype(np.float32)
        self._filters = mel_filters(sample_rate, self._window, BANDS)
        self._columns = np.zeros((capacity, BANDS), np.float32)
        self._count = 0
        self._width = 1  # hops that a column stands for
        self._stride = 1  # hops between two frames
        self._pending = np.zeros((0, BANDS), np.float32)  # frames of the incomplete column
        # Frames are centred: the first one begins half a window before the recording.
        self._rest: Samples = np.zeros(self._window // 2, np.float32)
        self._skip = 0  # samples before the next frame that have not come yet
        self._samples = 0

    def push(self, block: Samples) -> None:
        """Add the next samples, shape (n,)."""
        self._samples += len(block)
        self._append(block)
        self._measure()

    def spectrogram(self) -> Spectrogram:
        """Return the spectrogram. Call it once, at the end."""
        self._append(np.zeros(self._window // 2, np.float32))
        self._measure()
        columns = self._columns[: self._count]
        if len(self._pending):
            columns = np.concatenate((columns, self._pending.mean(axis=0, keepdims=True)))
        return Spectrogram(
            columns.copy(), self._width * self._hop / self._rate, self._samples / self._rate, self._rate / 2
        )

    def _append(self, block: Samples) -> None:
        self._rest = np.concatenate((self._rest, block[self._skip :]))
        self._skip = max(self._skip - len(block), 0)

    def _measure(self) -> None:
        """Turn the samples that are there into frames and columns."""
        while True:
            step = self._stride * self._hop
            frames_a_column = self._width // self._stride
            there = (len(self._rest) - self._window) // step + 1
            missing = (len(self._columns) - self._count) * frames_a_column - len(self._pending)
            frames = min(there, missing)
            if frames <= 0:
                return
            windows = np.lib.stride_tricks.sliding_window_view(self._rest, self._window)[::step][:frames]
            power = np.abs(np.fft.rfft(windows * self._taper)).astype(np.float32) ** 2
            self._skip = max(frames * step - len(self._rest), 0)
            self._rest = self._rest[frames * step :]
            self._add(power @ self._filters.T, frames_a_column)

    def _add(self, frames: Powers, frames_a_column: int) -> None:
        frames = np.concatenate((self._pending, frames))
        whole = len(frames) // frames_a_column
        columns = frames[: whole * frames_a_column].reshape(whole, frames_a_column, BANDS)
        self._columns[self._count : self._count + whole] = columns.mean(axis=1)
        self._count += whole
        self._pending = frames[whole * frames_a_column :]
        if self._count == len(self._columns):
            self._merge()

    def _merge(self) -> None:
        self._count //= 2
        self._columns[: self._count] = (self._columns[0::2] + self._columns[1::2]) / 2
        self._width *= 2
        if self._width > FRAMES_A_COLUMN:
            self._stride *= 2


def mel_filters(sample_rate: int, window: int, bands: int) -> npt.NDArray[np.float32]:
    """Return triangular filters, equally wide on the mel scale from 0 Hz to half of the sample rate.

    Source: S. Young et al., "The HTK Book", section 5.4, "Filterbank Analysis".

    Returns:
        Weights, shape (bands, window // 2 + 1).
    """
    highest = 2595 * np.log10(1 + sample_rate / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, highest, bands + 2) / 2595) - 1)
    frequencies = np.arange(window // 2 + 1) * sample_rate / window
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising = (frequencies - low) / (middle - low)
    falling = (high - frequencies) / (high - middle)
    weights: npt.NDArray[np.float32] = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    return weights
