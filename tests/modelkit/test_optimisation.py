import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from modelkit.__main__ import app
from modelkit.folder_swap import copy_folder
from modelkit.graphs import optimisation
from modelkit.verification import noise
from speech import ModelFolder
from speech.recognisers import load_recogniser
from tests.conftest import MODEL, ROOT
from tests.speech.sounds import write_model


def optimised_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".*.onnx"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("models") / MODEL
    copy_folder(ROOT / "models" / MODEL, target)
    return target


def test_the_default_model_gives_the_same_alone_and_padded(folder: Path) -> None:
    model = ModelFolder.load(folder)
    waveforms = noise(model, [400, 16077, 48000])
    before = {name: load_recogniser(model, 1, name) for name in ("float32", "int8")}
    found = {made.precision: made for made in optimisation.optimise(folder)}
    assert len(optimised_files(folder)) == 2
    for precision, recogniser in before.items():
        assert found[precision].attentions == 6  # those of the encoder; the others have rotary positions
        after = load_recogniser(model, 1, precision)
        pairs = zip(recogniser.log_probs(waveforms), after.log_probs(waveforms), strict=True)
        worst = max(float(np.abs(a - b).max()) for a, b in pairs)
        assert worst <= (1e-4 if precision == "float32" else 0.5)


def test_an_optimised_graph_is_loaded_and_leaves_no_dead_attention(folder: Path) -> None:
    model = ModelFolder.load(folder)
    path = model.optimised("int8")
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("MultiHeadAttention") == 6
    assert kinds.count("Softmax") == 3  # rotary attention and phones
    path.write_bytes(b"not a graph")
    with pytest.raises(Exception, match=r"\.model\.int8-"):
        load_recogniser(model, 1, "int8")
    path.unlink()
    load_recogniser(model, 1, "int8")


def test_a_graph_of_another_family_stays_as_it_is_and_verifies(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    described = (folder / "model.json").read_text(encoding="utf-8")
    assert [made.attentions for made in optimisation.optimise(folder)] == [0]
    assert (folder / "model.json").read_text(encoding="utf-8") == described
    ModelFolder.load(folder).verify_hashes()


def test_optimising_again_replaces_and_forgets_old_forms(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    (folder / ".model-0123-1.0.0.onnx").write_bytes(b"of another version")
    for _ in range(2):
        list(optimisation.optimise(folder))
        assert len(optimised_files(folder)) == 1


def test_a_form_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_model(tmp_path)
    monkeypatch.setattr(optimisation, "TOLERANCE", {"float32": -1.0})
    with pytest.raises(ValueError, match="differs by"):
        list(optimisation.optimise(folder))
    assert optimised_files(folder) == []


@pytest.mark.parametrize(("times", "chosen"), [([1.0, 0.9], "int8"), ([1.0, 0.91], "float32")])
def test_eight_bits_are_chosen_only_if_they_are_worth_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, times: list[float], chosen: str
) -> None:
    monkeypatch.setattr(optimisation, "_cpu_seconds", lambda model, recognisers: times)
    assert optimisation.choose_precision(folder) == chosen
    assert json.loads((folder / "model.json").read_text(encoding="utf-8"))["precision"] == chosen
    ModelFolder.load(folder).verify_hashes()


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["optimise", str(write_model(tmp_path))])
    assert done.exit_code == 0, done.output
    assert "0 attentions fused" in done.output
