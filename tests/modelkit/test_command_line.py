import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelkit.__main__ import app, main
from modelkit.folder_swap import copy_folder
from speech import ModelFolder
from tests.speech.sounds import speak, write_model, write_wav

runner = CliRunner()


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    write_wav(tmp_path / "a.wav", speak("नम नम"))
    path = tmp_path / "set" / "manifest.tsv"
    path.parent.mkdir()
    path.write_text("path\ttext\tspeaker\n../a.wav\tनम सम\tone\n", encoding="utf-8")
    return path


def test_verify_exits_with_its_verdict(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    clip = write_wav(tmp_path / "clip.wav", speak("नम"))
    assert runner.invoke(app, ["verify", str(folder), "--record", str(clip)]).exit_code == 0
    shown = runner.invoke(app, ["verify", str(folder), "--samples", str(tmp_path)])
    assert shown.exit_code == 0
    assert "clip.wav: नम" in shown.output
    (folder / "tokens.txt").write_text("x 0\n", encoding="utf-8")
    failed = runner.invoke(app, ["verify", str(folder)])
    assert failed.exit_code == 1


def test_evaluate_writes_what_it_prints(tmp_path: Path, manifest: Path) -> None:
    folder = write_model(tmp_path / "model")
    shown = runner.invoke(app, ["evaluate", str(folder), "--manifest", str(manifest), "--write", "--json"])
    measured = json.loads(shown.stdout)
    assert (measured["set"], measured["wer"]) == ("set", 0.5)
    model = ModelFolder.load(folder)
    model.verify_hashes()
    assert list(model.evaluation) == [measured]


def test_evaluate_prints_each_speaker(tmp_path: Path, manifest: Path) -> None:
    shown = runner.invoke(app, ["evaluate", str(write_model(tmp_path / "m")), "--manifest", str(manifest)])
    assert shown.exit_code == 0
    assert "one" in shown.output
    assert "WER 0.5000" in shown.output


def test_evaluate_scores_transcripts(tmp_path: Path, manifest: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("नम सम", encoding="utf-8")
    arguments = ["evaluate", "--hypotheses", str(tmp_path / "out"), "--manifest", str(manifest), "--json"]
    assert json.loads(runner.invoke(app, arguments).stdout)["wer"] == 0.0


SPELT = "हफ़्ते दूँगा कांग्रेस पाँच २५ आवाज़"
SPELT_OTHERWISE = "हफ्ते दूंगा कॉंग्रेस पांच 25 आवास"


def test_evaluate_tells_spelling_from_errors(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.tsv"
    manifest.write_text(f"path\ttext\tspeaker\na.wav\t{SPELT}\tone\n", encoding="utf-8")
    (tmp_path / "a.txt").write_text(SPELT_OTHERWISE, encoding="utf-8")
    arguments = ["evaluate", "--hypotheses", str(tmp_path), "--manifest", str(manifest)]
    shown = runner.invoke(app, arguments).output
    assert "WER 1.0000" in shown
    assert "WER folded 0.1667  (95 % interval 0.1667 to 0.1667)" in shown
    assert "0.8333 of the WER is spelling (modelkit.spelling_variants.fold 1)." in shown
    of_speaker = next(line.replace("│", "").split() for line in shown.splitlines() if " one " in line)
    assert of_speaker == ["one", "1", "6", "1.000", "0.229", "0.167", "0.030"]
    measured = json.loads(runner.invoke(app, [*arguments, "--json"]).stdout)
    assert (measured["wer"], measured["wer_folded"]) == (1.0, 0.1667)
    assert measured["cer_folded"] < measured["cer"]
    assert measured["wer_folded_interval"] == [0.1667, 0.1667]
    assert measured["folding"] == "modelkit.spelling_variants.fold 1"


def test_evaluate_of_a_model_prints_folded_rates(tmp_path: Path, manifest: Path) -> None:
    manifest.write_text("path\ttext\tspeaker\n../a.wav\tनम्\u200d नम्\tone\n", encoding="utf-8")
    folder = write_model(tmp_path / "model")
    shown = runner.invoke(app, ["evaluate", str(folder), "--manifest", str(manifest), "--write"])
    assert "WER 1.0000" in shown.output
    assert "WER folded 0.0000" in shown.output
    assert ModelFolder.load(folder).evaluation[0]["wer_folded"] == 0.0


def test_evaluate_wants_one_of_the_two(manifest: Path) -> None:
    assert runner.invoke(app, ["evaluate", "--manifest", str(manifest)]).exit_code == 2


def test_install_copies_a_verified_folder(tmp_path: Path) -> None:
    source, models = write_model(tmp_path / "made"), tmp_path / "models"
    assert runner.invoke(app, ["install", str(source), "--models", str(models)]).exit_code == 0
    ModelFolder.load(models / "loudness").verify_hashes()
    renamed = runner.invoke(app, ["install", str(source), "--models", str(models), "--name", "other"])
    assert renamed.exit_code == 0
    assert ModelFolder.load(models / "other").name == "other"


def test_install_refuses_a_broken_folder_and_keeps_the_old(tmp_path: Path) -> None:
    source, models = write_model(tmp_path / "made"), tmp_path / "models"
    runner.invoke(app, ["install", str(source), "--models", str(models)])
    (source / "model.onnx").write_bytes(b"no graph")
    assert runner.invoke(app, ["install", str(source), "--models", str(models)]).exit_code == 1
    ModelFolder.load(models / "loudness").verify_hashes()


def test_copying_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "models" / "m"
    copy_folder(write_model(tmp_path / "first"), target)
    (target / "old.txt").write_text("old", encoding="utf-8")
    copy_folder(write_model(tmp_path / "second"), target)
    assert sorted(p.name for p in target.iterdir()) == ["model.json", "model.onnx", "tokens.txt"]
    assert [p.name for p in target.parent.iterdir()] == ["m"]


def test_a_missing_model_is_a_sentence(
    tmp_path: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["modelkit", "evaluate", str(tmp_path / "none"), "--manifest", str(manifest)]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "There is no model" in capsys.readouterr().err
