"""Draw a recording's peaks with matplotlib."""

import functools
import threading
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from speech.waveform.peaks import Peaks
from speech.waveform.png import palette_png

_INK, _WAVE, _GRID, _PAPER = 0, 72, 232, 255
"""Palette indexes. The picture is drawn in greys, which index a palette that runs over these colours: one
byte a pixel to draw, compress and send instead of four."""
_COLOURS: Final = {_INK: (15, 23, 42), _WAVE: (37, 99, 200), _GRID: (226, 232, 240), _PAPER: (255, 255, 255)}

_STEPS: Final = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800, 3600, 7200),
)
_MAX_TICKS: Final = 9
_SCALES: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Painter:
    """Paints waveforms as PNG, 1000 by 240 pixels: filled envelope, light grid, time below and amplitude on
    the left.

    One figure and its artists serve every picture, and what never changes is drawn once; a lock makes it
    safe to share between threads. The amplitude axis ends at the first of 0.01, 0.02, 0.05 ... 1 that holds
    the waveform.
    """

    WIDTH: Final = 1000
    HEIGHT: Final = 240
    LEFT, COLUMNS = 46, 940
    TOP, MIDDLE, BOTTOM = 10, 110, 210
    """Pixels: where the axes are, counted from the upper left corner. Spectrograms have the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        figure = Figure(figsize=(self.WIDTH / 100, self.HEIGHT / 100), dpi=100)
        self._canvas = cast(Any, FigureCanvasAgg(figure))  # whose methods matplotlib leaves untyped
        figure.set_facecolor(_grey(_PAPER))
        self._axes = figure.add_axes(
            (
                self.LEFT / self.WIDTH,
                1.0 - self.BOTTOM / self.HEIGHT,
                self.COLUMNS / self.WIDTH,
                (self.BOTTOM - self.TOP) / self.HEIGHT,
            )
        )
        self._axes.set_axis_off()
        self._axes.set_xlim(0, 1)
        self._axes.set_ylim(-1, 1)
        self._canvas.draw()
        self._blank = self._canvas.copy_from_bbox(figure.bbox)
        self._axes.hlines((-1, -0.5, 0, 0.5, 1), 0, 1, colors=_grey(_GRID), linewidths=0.8)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(figure.bbox)

        self._wave = PathPatch(Path(np.zeros((1, 2))), facecolor=_grey(_WAVE), edgecolor="none", linewidth=0)
        self._axes.add_patch(self._wave)
        self._text = self._axes.text(0.5, 0, "", ha="center", va="center", fontsize=8, color=_grey(_INK))
        self._label = functools.lru_cache(maxsize=1024)(self._draw_label)
        marks = sorted(_COLOURS)
        channels = [np.interp(range(256), marks, [_COLOURS[mark][i] for mark in marks]) for i in range(3)]
        self._palette = np.rint(np.stack(channels, axis=1)).astype(np.uint8).tobytes()

    def paint(self, peaks: Peaks, seconds: float | None = None) -> bytes:
        """Return a PNG of the peaks. The time axis is `seconds` long, by default as long as the recording."""
        length = max(peaks.seconds if seconds is None else seconds, 1e-3)
        ticks, labels = time_ticks(length)
        loudest = float(max(-peaks.lows.min(), peaks.highs.max())) if len(peaks.lows) else 0.0
        scale = next((scale for scale in _SCALES if loudest <= scale), 1.0)
        with self._lock:
            self._canvas.restore_region(self._background)
            if len(peaks.lows):
                self._wave.set_path(self._envelope(peaks, length, scale))
                self._axes.draw_artist(self._wave)
            greys = self._greys()
            for at, text in zip(ticks, labels, strict=True):
                x = round(self.LEFT + at / length * (self.COLUMNS - 1))
                np.minimum(greys[self.TOP : self.BOTTOM, x], _GRID, out=greys[self.TOP : self.BOTTOM, x])
                self._paste(greys, self._label(text), x, self.BOTTOM + 14, 0.5)
            for y, text in ((self.TOP, f"{scale:g}"), (self.MIDDLE, "0"), (self.BOTTOM, f"-{scale:g}")):
                self._paste(greys, self._label(text), self.LEFT - 6, y, 1.0)
        return palette_png(greys, self._palette)

    def blank(self) -> npt.NDArray[np.uint8]:
        """Return an empty picture in greys, shape (HEIGHT, WIDTH), for `paste`."""
        return np.full((self.HEIGHT, self.WIDTH), _PAPER, np.uint8)

    def paste(self, greys: npt.NDArray[np.uint8], text: str, x: float, y: float, before: float) -> None:
        """Write a text at height y of a picture in greys, the part `before` of its width left of x."""
        with self._lock:
            label = self._label(text)
        self._paste(greys, label, round(x), round(y), before)

    def _greys(self) -> npt.NDArray[np.uint8]:
        """A copy of what is drawn, shape (height, width)."""
        return np.array(self._canvas.buffer_rgba(), copy=False)[..., 0].copy()

    def _draw_label(self, text: str) -> npt.NDArray[np.uint8]:
        """Cut the text out of a blank picture: setting type again would take most of the time."""
        self._canvas.restore_region(self._blank)
        self._text.set_text(text)
        self._axes.draw_artist(self._text)
        inked = self._greys()
        rows, columns = (
            np.flatnonzero((inked < _PAPER).any(axis=1)),
            np.flatnonzero((inked < _PAPER).any(axis=0)),
        )
        return inked[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()

    def _paste(
        self, greys: npt.NDArray[np.uint8], label: npt.NDArray[np.uint8], x: int, y: int, before: float
    ) -> None:
        """Puts a label at height y, the part `before` of its width left of x, all within the picture."""
        height, width = label.shape
        left = min(max(round(x - before * width), 0), self.WIDTH - width)
        top = min(max(y - height // 2, 0), self.HEIGHT - height)
        window = greys[top : top + height, left : left + width]
        np.minimum(window, label, out=window)

    def _envelope(self, peaks: Peaks, length: float, scale: float) -> Path:
        """Outline of the waveform in axes of 1 by ±1: at most one step a pixel, and at least a pixel high."""
        lows, highs = peaks.lows, peaks.highs
        edges = np.minimum(np.arange(len(lows) + 1) * peaks.samples_per_pixel, peaks.samples)
        if len(lows) > self.COLUMNS:
            firsts = np.arange(self.COLUMNS) * len(lows) // self.COLUMNS
            lows, highs = np.minimum.reduceat(lows, firsts), np.maximum.reduceat(highs, firsts)
            edges = np.append(edges[firsts], edges[-1])
        x = np.repeat(edges / (peaks.sample_rate * length), 2)[1:-1]
        middle = (lows + highs) / (2 * scale)
        half = np.maximum((highs - lows) / (2 * scale), 1.4 / self.HEIGHT)
        above, below = np.repeat(middle + half, 2), np.repeat(middle - half, 2)
        outline = np.stack((np.concatenate((x, x[::-1])), np.concatenate((above, below[::-1]))), axis=1)
        return Path(np.clip(outline, (0.0, -1.0), (1.0, 1.0)))


def paint(peaks: Peaks, seconds: float | None = None) -> bytes:
    """Paint with the one Painter of this process, see `Painter.paint`."""
    return _painter().paint(peaks, seconds)


@functools.cache
def _painter() -> Painter:
    return Painter()


def time_ticks(length: float) -> tuple[list[float], list[str]]:
    """Choose at most ten round times in 0..length, in seconds, and their labels: "2.5 s", "1:30" or
    "2:00:00"."""
    step = next((step for step in _STEPS if length / step <= _MAX_TICKS), None)
    if step is None:
        step = 7200 * np.ceil(length / 7200 / _MAX_TICKS)
    ticks = [index * float(step) for index in range(int(length / step + 1e-9) + 1)]
    if ticks[-1] < 60:
        digits = 0 if step >= 1 else 1 if step >= 0.1 else 2
        return ticks, [f"{at:.{digits}f} s" for at in ticks]
    labels = []
    for at in ticks:
        minutes, seconds = divmod(round(at), 60)
        hours, minutes = divmod(minutes, 60)
        labels.append(
            f"{hours}:{minutes:02}:{seconds:02}" if ticks[-1] >= 3600 else f"{minutes}:{seconds:02}"
        )
    return ticks, labels


def _grey(index: int) -> str:
    return str(index / 255)
