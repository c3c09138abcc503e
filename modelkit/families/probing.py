"""What a CTC graph of the interface does with waveforms, found by running it."""

from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime as ort

from modelkit.errors import SourceInvalid
from modelkit.graphs.parity import probe
from speech.recognisers import Samples

PROBE_SECONDS: Final = (8, 16)
CANDIDATES: Final = (1, 160, 400, 800, 1_600, 3_200, 4_800, 8_000, 16_000)
"""Lengths in samples that are tried as the shortest one."""


def frame_stride(graph: Path, sample_rate: int) -> float:
    """Return the seconds between two output frames.

    Raises:
        SourceInvalid: the graph does not run, or its frames do not follow the length of the audio.
    """
    session = _session(graph)
    try:
        shorter, longer = (_frames(session, probe(s * sample_rate, 0)) for s in PROBE_SECONDS)
    except Exception as error:  # onnxruntime keeps its exception types private
        raise SourceInvalid(f"The graph does not run: {error}") from error
    if longer <= shorter:
        raise SourceInvalid(f"The graph gives {shorter} frames for 8 s of audio and {longer} for 16 s.")
    return round((PROBE_SECONDS[1] - PROBE_SECONDS[0]) / (longer - shorter), 4)


def shortest_input(graph: Path, sample_rate: int) -> int:
    """Return a number of samples from which on the graph runs and gives a frame.

    Raises:
        SourceInvalid: it needs more than a second.
    """
    session = _session(graph)
    for samples in (count * sample_rate // 16_000 or 1 for count in CANDIDATES):
        try:
            if _frames(session, probe(samples, 0)) > 0:
                return samples
        except Exception:  # noqa: BLE001, S112 - the graph fails on waveforms that are too short for it
            continue
    raise SourceInvalid("The graph gives no frame for a second of audio.")


def _session(graph: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise SourceInvalid(f"ONNX Runtime cannot load the graph: {error}") from error


def _frames(session: ort.InferenceSession, waveform: Samples) -> int:
    lengths = np.array([len(waveform)], np.int64)
    (frames,) = session.run(["frame_lengths"], {"waveform": waveform[None], "lengths": lengths})
    return int(frames[0])
