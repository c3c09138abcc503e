"""The comparison with other recognisers, without them and without a network: our engine is the peer."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from shrutlekh_contract.decoders import BEAM, GREEDY
from shrutlekh_contract.model_card import FLOAT32, INT8

from benchmarks.peers import __main__ as peers
from benchmarks.peers import environment
from benchmarks.peers.child import Cost, Report, Task
from benchmarks.peers.environment import NotInstalled, peers_python
from benchmarks.peers.lineup import OURS, Entry, lineup
from benchmarks.peers.passes import Installed, Pass, PassFailed, count_passes, passes, run
from benchmarks.peers.recording_sets import ALL_SETS, LONG, WAV, RecordingSet, make_sets
from benchmarks.peers.results import Comparison
from benchmarks.recordings import ROOT, Clip
from modelkit import read_manifest
from modelkit.errors import NotExportable
from modelkit.graphs.layouts import BLANK, export_onnx_asr, export_sherpa_onnx
from speech import GRAPHS, ModelFolder, read_tokens

MODEL = ROOT / "models" / "hi-ctc-base"
LENGTHS = np.array([16_001, 15_000])
"""Samples of two waveforms. onnx-asr counts 26 frames in the first; the graph has 25."""


@pytest.fixture(scope="module")
def model() -> ModelFolder:
    return ModelFolder.load(MODEL)


@pytest.fixture(scope="module")
def layouts(model: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layouts")
    export_onnx_asr(model, folder / "onnx-asr")
    export_sherpa_onnx(model, folder / "sherpa-onnx")
    return folder


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[RecordingSet]:
    monkeypatch.setenv("SHRUTLEKH_SPEECH_DIR", str(tmp_path / "none"))
    samples = [Clip(entry.path, entry.text) for entry in read_manifest(ROOT / "samples" / "manifest.tsv")]
    return make_sets(samples, tmp_path, minutes=0.4, count=2)


def waveforms() -> np.ndarray:
    found = np.random.default_rng(3).normal(0, 0.05, (2, LENGTHS.max())).astype(np.float32)
    found[1, LENGTHS[1] :] = 0
    return found


@pytest.mark.parametrize("precision", [FLOAT32, INT8])
def test_onnx_asr_finds_its_names_and_only_blanks_behind_the_end(
    model: ModelFolder, layouts: Path, precision: str
) -> None:
    folder = layouts / "onnx-asr"
    ours = onnxruntime.InferenceSession(model.graph(precision))
    theirs = onnxruntime.InferenceSession(folder / GRAPHS[precision])
    log_probs, frames = ours.run(
        ["log_probs", "frame_lengths"], {"waveform": waveforms(), "lengths": LENGTHS}
    )
    (found,) = theirs.run(["logprobs"], {"audio_signal": waveforms(), "length": LENGTHS})
    stride = json.loads((folder / "config.json").read_text())["subsampling_factor"]
    counted = (LENGTHS - 1) // stride + 1
    assert found.shape[1] >= counted.max()
    for row, wanted, count in zip(found, log_probs, frames, strict=True):
        np.testing.assert_allclose(row[:count], wanted[:count], atol=1e-4)
        assert (row[count:].argmax(axis=1) == model.blank_id).all()
    assert read_tokens(folder / "vocab.txt")[model.blank_id] == BLANK


@pytest.mark.parametrize("precision", [FLOAT32, INT8])
def test_sherpa_onnx_gives_a_waveform_and_takes_log_probabilities(
    model: ModelFolder, layouts: Path, precision: str
) -> None:
    folder = layouts / "sherpa-onnx"
    ours = onnxruntime.InferenceSession(model.graph(precision))
    theirs = onnxruntime.InferenceSession(folder / GRAPHS[precision])
    assert [node.name for node in theirs.get_inputs()] == ["waveform"]
    (node,) = theirs.get_outputs()
    assert node.shape[2] == len(read_tokens(folder / "tokens.txt")) == len(model.tokens)
    waveform = waveforms()[:1]
    wanted, _ = ours.run(["log_probs", "frame_lengths"], {"waveform": waveform, "lengths": LENGTHS[:1]})
    (found,) = theirs.run(None, {"waveform": waveform})
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_another_sample_rate_cannot_be_exported(model: ModelFolder, tmp_path: Path) -> None:
    slow = model.model_copy(update={"sample_rate": 8000})
    with pytest.raises(NotExportable, match="8000 Hz"):
        export_sherpa_onnx(slow, tmp_path)


def test_the_engine_is_measured_and_scored_like_a_peer(sets: list[RecordingSet], tmp_path: Path) -> None:
    names = (f"graph alone, {INT8}", f"engine, greedy, {INT8}")
    entries = [entry for entry in lineup() if entry.name in names]
    installed = Installed(None, {OURS: MODEL}, tmp_path, sets[0].paths[:1])
    found = list(passes(entries, sets[:1], [[min_cpu()]], 1, installed))
    assert len(found) == count_passes(entries, sets[:1], [[0]], 1) == 2
    comparison = Comparison(found)
    alone, engine = comparison.rows.values()
    assert 0 < alone.wer < 0.6
    assert comparison.identity(alone) is None
    identity = comparison.identity(engine)
    assert identity is not None
    assert identity.texts == 2
    assert 0 < engine.cpu.median < 1
    assert 50e6 < engine.peak.median < 2e9
    assert comparison.baseline(alone) is engine
    json.dumps(comparison.as_json())
    (table,) = comparison.tables()
    assert table.row_count == 2


def min_cpu() -> int:
    return peers._cores(peers._parser(), "1")[0][0]


def test_the_joined_recording_has_the_texts_of_its_clips(sets: list[RecordingSet]) -> None:
    joined = next(found for found in sets if found.name == LONG)
    assert joined.seconds >= 24
    assert not joined.whole
    assert joined.texts[0].startswith("बच्चे बगीचे में")  # the samples in the order of their file names
    assert joined.texts[0].count("बच्चे बगीचे में") == 2


def report(texts: list[str], cpu: float) -> Report:
    return Report(Cost(1.0, 1.0), Cost(2.0, 2.0), Cost(cpu, cpu), 100, texts)


def test_rounds_are_compared_in_pairs_and_texts_after_normalisation() -> None:
    of = RecordingSet(WAV, "", ["a.wav", "b.wav"], ["एक दो", "तीन चार"], 10.0)
    alone, ours, peer = (
        Entry("graph alone, int8", "bare_graph", OURS, INT8, GREEDY, ALL_SETS),
        Entry("ours", "engine", OURS, INT8, GREEDY, ALL_SETS, baseline="ours"),
        Entry("peer", "onnx_asr", "onnx-asr", INT8, GREEDY, ALL_SETS, baseline="ours"),
    )
    right, other = ["एक दो", "तीन चार"], ["एक दो।", "तीनचार"]
    comparison = Comparison(
        [
            *(Pass(alone, of, 1, report(right, 1.0)) for _ in range(3)),
            *(Pass(ours, of, 1, report(right, cpu)) for cpu in (1.0, 2.0, 4.0)),
            *(Pass(peer, of, 1, report(other, cpu)) for cpu in (2.0, 4.0, 40.0)),
        ]
    )
    row = comparison.rows[WAV, 1, "peer"]
    baseline, identity = comparison.baseline(row), comparison.identity(row)
    assert baseline is not None
    assert row.times(baseline, lambda of: of.cpu).values == (2.0, 2.0, 10.0)
    assert row.cpu.median == pytest.approx(0.4)
    assert identity is not None
    assert (identity.same, identity.same_without_spaces, identity.texts) == (1, 2, 2)
    assert row.wer == pytest.approx(0.5)


def test_a_program_that_fails_is_named_with_its_last_words() -> None:
    task = Task("engine", "nowhere", INT8, BEAM, 1, None, [], [], [min_cpu()])
    with pytest.raises(PassFailed, match=r"(?s)broken ended with 1:.*There is no model at nowhere"):
        run(task, sys.executable, "broken")


def test_without_a_network_a_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text(f"onnx-asr==0.12.0 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(environment, "LOCK", lock)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(
        NotInstalled, match=r"some.lock could not be installed; the first run needs a network"
    ):
        peers_python(tmp_path / "peers")
    assert not list(tmp_path.glob("peers/*/installed"))


@pytest.mark.parametrize(
    "arguments", [["--cores", "0"], ["--cores", "many"], ["--programs", "nobody"], ["--sets", "none"]]
)
def test_wrong_arguments_are_refused_before_any_work(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["peers", *arguments])
    with pytest.raises(SystemExit) as ended:
        peers.main()
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err
