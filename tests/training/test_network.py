"""The network, its export, and the shipped model against PyTorch."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.conftest import ROOT
from tests.training.conftest import PHONES, require

require("torch")
require("onnx")

import torch  # noqa: E402

from modelkit.verification import verify  # noqa: E402
from training.batches import Symbols  # noqa: E402
from training.checkpoint import Checkpoint, blended  # noqa: E402
from training.export import Graph, as_checkpoint, initial_weights, write_folder  # noqa: E402
from training.network import Network, NetworkConfig  # noqa: E402
from training.schedule import Settings  # noqa: E402
from training.spelling import BLANK, CHARACTERS, WORD_GAP  # noqa: E402

SYMBOLS = Symbols(PHONES, [BLANK, WORD_GAP, *CHARACTERS], {})
TINY = NetworkConfig(
    phones=len(PHONES), characters=len(SYMBOLS.characters), width=16, heads=2, inner_blocks=1, kernel=5,
    subsampling_channels=4, spelling_width=16, spelling_blocks=1,
)  # fmt: skip
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
    network = made(TINY)
    waveforms, lengths = batch()
    single = [run(network, *one)[0] for one in alone(waveforms, lengths)]
    assert worst(single, run(network, waveforms, lengths)) < 1e-4


def test_what_stands_in_the_padding_does_not_matter() -> None:
    network = made(TINY)
    waveforms, lengths = batch()
    dirty = waveforms.copy()
    for row, length in zip(dirty, lengths, strict=True):
        row[length:] = 0.7
    assert worst(run(network, waveforms, lengths), run(network, dirty, lengths)) < 1e-4


def test_a_frame_every_forty_milliseconds_and_one_for_the_shortest() -> None:
    frames = [len(rows) for rows in run(made(TINY), *batch())]
    assert frames[0] == 1
    assert frames[3] == pytest.approx(25, abs=1)
    assert frames[4] == pytest.approx(30011 / 640, abs=1)


def test_the_gain_of_a_recording_does_not_matter() -> None:
    network = made(TINY)
    waveforms, lengths = batch()
    assert worst(run(network, waveforms, lengths), run(network, waveforms * 3, lengths)) < 0.02


def test_the_exported_folder_verifies_equals_pytorch_and_gives_its_weights_back(tmp_path: Path) -> None:
    network = made(TINY)
    folder = tmp_path / "tiny"
    write_folder(network, SYMBOLS, folder, {"max_segment_seconds": 16.0})
    assert all(check.passed is not False for check in verify(folder, tmp_path))
    waveforms, lengths = batch()
    assert (
        worst(run_graph(folder / "model.onnx", waveforms, lengths), run(network, waveforms, lengths)) < 1e-4
    )
    graph = Graph.load(folder / "model.onnx")
    assert (graph.config, graph.phones) == (TINY, PHONES)
    for name, weight in network.state_dict().items():
        assert torch.equal(graph.weights[name], weight), name


def test_training_goes_on_from_a_model_with_other_phones(tmp_path: Path) -> None:
    config = replace(TINY, width=16, heads=4, kernel=15, subsampling_channels=32, spelling_width=128,
                     spelling_blocks=2)  # fmt: skip
    settings = Settings(width=16, inner_blocks=1)
    network = made(config)
    write_folder(network, SYMBOLS, tmp_path / "tiny", {"max_segment_seconds": 16.0})
    other = Symbols([BLANK, "m", "new", "a"], SYMBOLS.characters, {})
    weights = initial_weights(tmp_path / "tiny", other, settings)
    Network(replace(config, phones=4)).load_state_dict(weights)
    head = network.state_dict()["phone_head.weight"]
    assert torch.equal(weights["phone_head.weight"][1], head[PHONES.index("m")])
    assert torch.equal(weights["phone_head.weight"][3], head[PHONES.index("a")])
    assert not weights["spelling_in.weight"][:, 2].any()
    with pytest.raises(ValueError, match="network"):
        initial_weights(tmp_path / "tiny", other, Settings(width=32))
    with pytest.raises(ValueError, match="network"):
        initial_weights(tmp_path / "tiny", other, Settings(width=16, inner_blocks=0))
    with pytest.raises(ValueError, match="characters"):
        initial_weights(tmp_path / "tiny", Symbols(PHONES, [BLANK] * len(SYMBOLS.characters), {}), settings)


def test_a_deeper_network_begins_nearly_where_the_smaller_one_stood(tmp_path: Path) -> None:
    config = replace(TINY, heads=4, kernel=15, subsampling_channels=32, spelling_width=128, spelling_blocks=2)
    network = made(config)
    write_folder(network, SYMBOLS, tmp_path / "tiny", {"max_segment_seconds": 16.0})
    torch.manual_seed(3)
    weights = initial_weights(tmp_path / "tiny", SYMBOLS, Settings(width=16, inner_blocks=3))
    deeper = Network(replace(config, inner_blocks=3)).eval()
    fresh = run(deeper, *batch())
    deeper.load_state_dict(weights)
    expected = run(network, *batch())
    assert worst(run(deeper, *batch()), expected) < 0.1
    assert worst(fresh, expected) > 1.0


def test_the_model_that_a_deeper_run_began_from_is_a_run_to_blend_with(tmp_path: Path) -> None:
    config = replace(TINY, heads=4, kernel=15, subsampling_channels=32, spelling_width=128, spelling_blocks=2)
    network, deeper = made(config), replace(config, inner_blocks=3)
    write_folder(network, SYMBOLS, tmp_path / "tiny", {"max_segment_seconds": 16.0})
    average = made(deeper).state_dict()
    run_ = Checkpoint(deeper, 5, average, average, {}, 1.0)
    start = as_checkpoint(tmp_path / "tiny", SYMBOLS, run_)
    began = Network(deeper).eval()
    began.load_state_dict(start.average)
    assert worst(run(began, *batch()), run(network, *batch())) < 0.1
    mean = blended([run_, start]).average
    old, new = "inner.blocks.0.before.up.weight", "inner.blocks.2.before."
    assert torch.allclose(mean[old], (average[old] + network.state_dict()[old]) / 2)
    assert torch.equal(mean[new + "up.weight"], average[new + "up.weight"])
    assert torch.allclose(mean[new + "down.weight"], average[new + "down.weight"] / 2)


def test_the_shipped_graph_equals_pytorch_with_its_weights() -> None:
    path = ROOT / "models" / "hi-ctc-small" / "model.onnx"
    if not path.is_file() and not os.environ.get("CI"):
        pytest.skip("no model is installed under models/")
    network = Graph.load(path).network()
    waveforms, lengths = batch(1)
    expected = run(network, waveforms, lengths)
    assert worst(run_graph(path, waveforms, lengths), expected) < 1e-3
    single = [run_graph(path, *one)[0] for one in alone(waveforms, lengths)]
    assert worst(single, expected) < 1e-3
