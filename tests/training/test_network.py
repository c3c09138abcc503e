"""The network, its export, and the shipped model against PyTorch."""

import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.conftest import ROOT, require
from tests.training.conftest import PHONES, TINY, WRITTEN

require("torch")
require("onnx")

import torch  # noqa: E402

from modelkit.verification import verify  # noqa: E402
from training.corpora.store import Symbols  # noqa: E402
from training.model.checkpoint import read_weights  # noqa: E402
from training.model.export import Graph, write_folder  # noqa: E402
from training.model.network import Network, NetworkConfig  # noqa: E402

SYMBOLS = Symbols(PHONES, WRITTEN, {})
SMALL = NetworkConfig(len(PHONES), len(SYMBOLS.characters), **TINY)
LENGTHS = (400, 700, 4321, 16000, 30011)


def made(config: NetworkConfig) -> Network:
    """A network whose every weight differs from every other, as after training."""
    torch.manual_seed(0)
    network = Network(config)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.05)
    return network.eval()


def batch(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise of several lengths, padded with zeros."""
    rng = np.random.default_rng(seed)
    waveforms = np.zeros((len(LENGTHS), max(LENGTHS)), np.float32)
    for row, length in zip(waveforms, LENGTHS, strict=True):
        row[:length] = rng.normal(0, 0.1, length)
    return waveforms, np.array(LENGTHS, np.int64)


def run(network: Network, waveforms: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    with torch.no_grad():
        log_probs, frames = network(torch.from_numpy(waveforms), torch.from_numpy(lengths))
    return [rows[:count].numpy() for rows, count in zip(log_probs, frames.tolist(), strict=True)]


def run_graph(path: Path, waveforms: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    log_probs, frames = session.run(
        ["log_probs", "frame_lengths"], {"waveform": waveforms, "lengths": lengths}
    )
    return [rows[:count] for rows, count in zip(log_probs, frames, strict=True)]


def worst(left: list[np.ndarray], right: list[np.ndarray]) -> float:
    assert [x.shape for x in left] == [x.shape for x in right]
    return max(float(np.abs(a - b).max()) for a, b in zip(left, right, strict=True))


def alone(waveforms: np.ndarray, lengths: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(row[None, :length], np.array([length])) for row, length in zip(waveforms, lengths, strict=True)]


def test_an_utterance_is_the_same_alone_and_padded() -> None:
    network = made(SMALL)
    waveforms, lengths = batch()
    single = [run(network, *one)[0] for one in alone(waveforms, lengths)]
    assert worst(single, run(network, waveforms, lengths)) < 1e-4


def test_what_stands_in_the_padding_does_not_matter() -> None:
    network = made(SMALL)
    waveforms, lengths = batch()
    dirty = waveforms.copy()
    for row, length in zip(dirty, lengths, strict=True):
        row[length:] = 0.7
    assert worst(run(network, waveforms, lengths), run(network, dirty, lengths)) < 1e-4


def test_a_frame_every_forty_milliseconds_and_one_for_the_shortest() -> None:
    frames = [len(rows) for rows in run(made(SMALL), *batch())]
    assert frames[0] == 1
    assert frames[3] == pytest.approx(25, abs=1)
    assert frames[4] == pytest.approx(30011 / 640, abs=1)


def test_the_gain_of_a_recording_does_not_matter() -> None:
    network = made(SMALL)
    waveforms, lengths = batch()
    assert worst(run(network, waveforms, lengths), run(network, waveforms * 3, lengths)) < 0.02


def test_the_exported_folder_verifies_equals_pytorch_and_gives_its_weights_back(tmp_path: Path) -> None:
    network = made(SMALL)
    folder = tmp_path / "tiny"
    write_folder(network, SYMBOLS, folder, {"max_segment_seconds": 16.0})
    assert all(check.passed is not False for check in verify(folder, tmp_path))
    waveforms, lengths = batch()
    assert (
        worst(run_graph(folder / "model.onnx", waveforms, lengths), run(network, waveforms, lengths)) < 1e-4
    )
    graph = Graph.load(folder / "model.onnx")
    assert (graph.config, graph.phones) == (SMALL, PHONES)
    for name, weight in network.state_dict().items():
        assert torch.equal(graph.weights[name], weight), name
    found = read_weights(folder)
    assert (found.phones, found.characters) == (SYMBOLS.phones, SYMBOLS.characters)
    assert worst(run(found.network(), waveforms, lengths), run(network, waveforms, lengths)) < 1e-6


def test_the_shipped_graph_equals_pytorch_with_its_weights() -> None:
    path = ROOT / "models" / "hi-ctc-base" / "model.onnx"
    if not path.is_file() and not os.environ.get("CI"):
        pytest.skip("no model is installed under models/")
    network = read_weights(path.parent).network()
    waveforms, lengths = batch(1)
    expected = run(network, waveforms, lengths)
    assert worst(run_graph(path, waveforms, lengths), expected) < 1e-3
    single = [run_graph(path, *one)[0] for one in alone(waveforms, lengths)]
    assert worst(single, expected) < 1e-3
