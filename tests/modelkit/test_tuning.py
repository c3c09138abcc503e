import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from modelkit.__main__ import app
from modelkit.decoding.tuning import (
    RANGES,
    Search,
    install_language_model,
    posteriors,
    record_decoding,
    token_priors,
)
from modelkit.description import read_description
from modelkit.measuring.manifest import Entry, read_manifest
from modelkit.verification import record_check, verify
from speech import Engine, ModelFolder
from speech.decoding import BeamSettings
from tests.speech.language_models import write_language_model
from tests.speech.sounds import TOKENS, silence, speak, write_model, write_wav

SAID = {"नमस्मे मन": "नमस्ते मन", "नम मन": "नम मन", "सम मस": "सम मत"}
"""What is played, and what is meant by it."""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rows = []
    for number, (played, meant) in enumerate(SAID.items()):
        write_wav(tmp_path / f"{number}.wav", speak(played))
        rows.append(f"{number}.wav\t{meant}\ts{number % 2}\n")
    path = tmp_path / "manifest.tsv"
    path.write_text("path\ttext\tspeaker\n" + "".join(rows), encoding="utf-8")
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = write_model(tmp_path / "model")
    install_language_model(write_language_model(tmp_path / "lm").parent, folder)
    return folder


def search(model: Path, manifest: Path, priors: tuple[float, ...] = (), seed: int = 0) -> Search:
    entries = read_manifest(manifest)
    engine = Engine.load(model, decoder="greedy")
    return Search(engine.folder, entries, posteriors(engine, entries, lambda: None), priors, 20, seed, 8.0)


def test_posteriors_are_those_that_the_engine_decodes(model: Path, tmp_path: Path) -> None:
    signal = np.concatenate([speak("नम"), silence(30.0), speak("मन")])
    entries = [Entry(write_wav(tmp_path / "a.wav", signal), "नम मन", "")]
    (chunks,) = posteriors(Engine.load(model), entries, lambda: None)
    decoder = Engine.load(model, decoder="greedy").decoder
    assert ["".join(word.text for word in decoder.words(chunk)) for chunk in chunks] == ["नम", "मन"]


def test_priors_are_means_over_frames() -> None:
    first, second = np.log(np.array([[0.5, 0.5], [0.1, 0.9]])), np.log(np.array([[0.3, 0.7]]))
    assert token_priors([[first], [second]]) == pytest.approx((0.3, 0.7))
    assert token_priors([[first, second], []]) == pytest.approx((0.3, 0.7))
    assert token_priors([]) == ()


def test_the_search_finds_settings_that_mend_what_greedy_mishears(model: Path, manifest: Path) -> None:
    found = search(model, manifest)
    for _ in range(8):
        found.step()
    facts = found.found("made")
    assert facts["greedy_wer"] == pytest.approx(2 / 6, abs=1e-4)
    assert facts["wer"] == 0.0
    assert facts["wer"] <= facts["cross_validated_wer"]
    assert (facts["set"], facts["recordings"], facts["trials"]) == ("made", 3, 8)
    assert found.best.prior == 0.0
    assert RANGES["alpha"][0] <= found.best.alpha <= RANGES["alpha"][1]


def test_the_seed_decides(model: Path, manifest: Path) -> None:
    bests = []
    for seed in (1, 1, 2):
        one = search(model, manifest, priors=(0.125,) * len(TOKENS), seed=seed)
        one.step()
        bests.append(one.best)
    assert bests[0] == bests[1] != bests[2]


def test_what_is_recorded_is_what_is_loaded(model: Path) -> None:
    chosen = BeamSettings(alpha=0.7, beta=-0.5, prior=0.3, beam=33, priors=(0.125,) * len(TOKENS))
    record_decoding(model, chosen, {"set": "made"})
    folder = ModelFolder.load(model)
    folder.verify_hashes()
    assert "lm/words.arpa.gz" in folder.files
    assert BeamSettings.of_model(folder.decoding, len(TOKENS)) == chosen
    assert Engine.load(model).decoder_name == "beam"


def test_the_command_tunes_records_and_the_model_then_uses_it(tmp_path: Path, manifest: Path) -> None:
    folder = write_model(tmp_path / "model")
    write_language_model(tmp_path / "lm")
    arguments = ["tune", str(folder), "--manifest", str(manifest), "--language-model", str(tmp_path / "lm")]
    done = CliRunner().invoke(
        app, [*arguments, "--priors", str(manifest), "--without", "s1", "--trials", "5", "--name", "dev"]
    )
    assert done.exit_code == 0, done.output
    decoding = read_description(folder)["decoding"]
    assert decoding["tuned"]["set"] == "dev"
    assert sum(decoding["priors"]) == pytest.approx(1.0, abs=1e-3)
    shown = CliRunner().invoke(app, ["evaluate", str(folder), "--manifest", str(manifest), "--json"])
    measured = json.loads(shown.stdout)
    assert (measured["decoder"], measured["wer"]) == ("beam", decoding["tuned"]["wer"])
    greedy = ["evaluate", str(folder), "--manifest", str(manifest), "--json", "--decoder", "greedy"]
    assert json.loads(CliRunner().invoke(app, greedy).stdout)["decoder"] == "greedy"


def test_a_tuned_folder_verifies_with_its_own_decoder(model: Path, tmp_path: Path) -> None:
    record_decoding(model, BeamSettings(alpha=0.5), {"set": "made"})
    clip = write_wav(tmp_path / "clip.wav", speak("नमस्मे"))
    record_check(model, clip)
    assert read_description(model)["check"]["text"] == "नमस्ते"
    assert all(check.passed for check in verify(model, tmp_path))


def test_a_folder_without_a_language_model_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"words\.arpa\.gz"):
        install_language_model(tmp_path, write_model(tmp_path / "model"))
