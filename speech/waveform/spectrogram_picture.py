"""Draw a spectrogram: time to the right, frequency on the mel scale upwards, level as colour."""

import functools
import zlib
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps

from speech.waveform.picture import Painter, time_ticks
from speech.waveform.png import palette_png
from speech.waveform.spectrogram import Spectrogram

RANGE: Final = 80.0
"""Decibels below the loudest that the colours show."""

_GREYS: Final = 16
"""Palette indexes of text and paper, from black to white; the others are the colours of levels."""
_LEVELS: Final = 96
_COLOURS: Final = "magma"
_HERTZ: Final = (0, 250, 500, 1000, 2000, 4000, 8000, 16000)


def paint_spectrogram(painter: Painter, spectrogram: Spectrogram) -> bytes:
    """Return a PNG as large as a waveform's picture, with the same time axis.

    Args:
        painter: draws the labels.
    """
    canvas = painter.blank()
    length = max(spectrogram.seconds, 1e-3)
    ticks, labels = time_ticks(length)
    for at, text in zip(ticks, labels, strict=True):
        painter.paste(
            canvas, text, painter.LEFT + at / length * (painter.COLUMNS - 1), painter.BOTTOM + 14, 0.5
        )
    for hertz in _HERTZ:
        height = _mel(hertz) / _mel(spectrogram.highest)
        if height <= 1:
            text = f"{hertz // 1000} kHz" if hertz >= 1000 else f"{hertz} Hz"
            painter.paste(
                canvas, text, painter.LEFT - 6, painter.BOTTOM - height * (painter.BOTTOM - painter.TOP), 1.0
            )
    pixels = canvas // (256 // _GREYS)
    levels = _pixels(spectrogram, painter.COLUMNS, painter.BOTTOM - painter.TOP)
    pixels[painter.TOP : painter.BOTTOM, painter.LEFT : painter.LEFT + painter.COLUMNS] = _GREYS + levels
    return palette_png(pixels, _palette(), level=6, strategy=zlib.Z_DEFAULT_STRATEGY)


def _pixels(spectrogram: Spectrogram, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Return levels from 0 to _LEVELS - 1, shape (height, width): the highest band first."""
    powers = spectrogram.powers
    if not len(powers):
        return np.zeros((height, width), np.uint8)
    # In a long recording the columns of a pixel are averaged, in a short one a column takes several pixels.
    edges = np.arange(width) * len(powers) / width
    if len(powers) > width:
        firsts = edges.astype(int)
        sizes = np.diff(np.append(firsts, len(powers)))
        columns = (np.add.reduceat(powers, firsts, axis=0) / sizes[:, None]).astype(np.float32)
    else:
        columns = powers[edges.astype(int)]
    shown = Spectrogram(columns, spectrogram.column_seconds, spectrogram.seconds, spectrogram.highest)
    levels = np.clip(1 + shown.decibels() / RANGE, 0, 1) if powers.any() else np.zeros_like(columns)
    bands = np.linspace(levels.shape[1] - 1, 0, height)
    below = bands.astype(int)
    above = np.minimum(below + 1, levels.shape[1] - 1)
    part = (bands - below)[:, None]
    smooth = levels.T[below] * (1 - part) + levels.T[above] * part
    indexes: npt.NDArray[np.uint8] = np.rint(smooth * (_LEVELS - 1)).astype(np.uint8)
    return indexes


def _mel(hertz: float) -> float:
    return float(np.log10(1 + hertz / 700))


@functools.cache
def _palette() -> bytes:
    greys = np.repeat(np.linspace(0, 255, _GREYS).round().astype(np.uint8)[:, None], 3, axis=1)
    colours = (colormaps[_COLOURS](np.linspace(0, 1, _LEVELS))[:, :3] * 255).round().astype(np.uint8)
    return np.concatenate((greys, colours)).tobytes()
