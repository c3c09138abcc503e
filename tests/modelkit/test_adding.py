"""`modelkit models add` on folders: what is installed, what is refused, and that nothing is half-made."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelkit import read_description
from modelkit.__main__ import app, main
from modelkit.adding import Request, add
from modelkit.errors import (
    FamilyUnsupported,
    ModelkitError,
    NameTaken,
    SourceInvalid,
    SourceNotFound,
    VerificationFailed,
)
from modelkit.measuring.manifest import Entry
from speech import Engine, ModelFolder
from tests.modelkit.notes import Notes
from tests.speech.sounds import speak, write_model, write_wav

runner = CliRunner()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_model(tmp_path / "Loudness Model")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def installed(models: Path) -> list[str]:
    return sorted(path.name for path in models.iterdir()) if models.is_dir() else []


def test_a_folder_is_checked_optimised_and_installed_under_a_valid_name(source: Path, models: Path) -> None:
    notes = Notes()
    folder = add(Request(str(source), models), notes)
    assert installed(models) == ["loudness-model"]
    card = read_description(folder)
    assert card["name"] == "loudness-model"
    assert (card["source"]["kind"], card["source"]["id"]) == ("folder", "Loudness Model")
    assert card["source"]["files"]["tokens.txt"] == card["files"]["tokens.txt"]
    assert [check.passed for check in notes.checks] == [True] * 4 + [None]
    assert list(folder.glob(".model-*.onnx"))
    done, total = notes.bars["download"]
    assert done == total > 0
    assert any("not measured" in sentence for sentence in notes.sentences)
    ModelFolder.load(folder).verify_hashes()
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} <= {"0o644", "0o755"}


def test_with_recordings_it_is_measured_and_its_graph_chosen(
    source: Path, models: Path, tmp_path: Path
) -> None:
    clip = write_wav(tmp_path / "a.wav", speak("नम नम"))
    entries = [Entry(clip, "नम सम", "one", "", "")]
    folder = add(Request(str(source), models, entries=entries, set_name="mine", clip=clip), Notes())
    card = read_description(folder)
    (evaluation,) = card["evaluation"]
    assert (evaluation["set"], evaluation["wer"]) == ("mine", 0.5)
    measured = card["variants"]["measured"]
    assert [row["variant"] for row in measured] == ["float32", "int8, 7-bit weights", "int8, 8-bit weights"]
    assert sum(row["chosen"] for row in measured) == 1
    chosen = next(row for row in measured if row["chosen"])
    assert chosen["precision"] == card["precision"]
    assert (folder / "model.int8.onnx").exists() == (card["precision"] == "int8")
    assert card["check"]["text"] == "नम नम"
    with Engine.load(folder).transcribe(clip) as transcription:
        assert [segment.text for segment in transcription.segments()] == ["नम नम"]


def test_the_same_source_again_is_a_new_version_and_another_one_needs_a_name(
    source: Path, models: Path, tmp_path: Path
) -> None:
    add(Request(str(source), models), Notes())
    add(Request(str(source), models), Notes())
    other = write_model(tmp_path / "other")
    with pytest.raises(NameTaken, match="--name"):
        add(Request(str(other), models, name="loudness-model"), Notes())
    add(Request(str(other), models, name="loudness-model", replaces=True), Notes())
    assert read_description(models / "loudness-model")["source"]["id"] == "other"
    assert installed(models) == ["loudness-model"]


def broken_hash(folder: Path) -> None:
    (folder / "tokens.txt").write_text("x 0\n", encoding="utf-8")


def other_vocabulary(folder: Path) -> None:
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (folder / "tokens.txt").write_text("<blk> 0\nन 1\n", encoding="utf-8")
    (folder / "model.json").write_text(json.dumps({**card, "files": {}}), encoding="utf-8")


def only_a_graph(folder: Path) -> None:
    (folder / "model.json").unlink()
    (folder / "tokens.txt").unlink()


def damaged_card(folder: Path) -> None:
    (folder / "model.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (broken_hash, SourceInvalid),
        (other_vocabulary, VerificationFailed),
        (damaged_card, SourceInvalid),
        (only_a_graph, FamilyUnsupported),
    ],
)
def test_what_is_wrong_is_refused_and_leaves_nothing(
    source: Path, models: Path, damage: Callable[[Path], None], error: type[ModelkitError]
) -> None:
    damage(source)
    with pytest.raises(error):
        add(Request(str(source), models), Notes())
    assert installed(models) == []


def test_a_broken_new_version_leaves_the_old_one_in_place(source: Path, models: Path) -> None:
    folder = add(Request(str(source), models), Notes())
    before = (folder / "model.json").read_bytes()
    other_vocabulary(source)
    with pytest.raises(VerificationFailed):
        add(Request(str(source), models), Notes())
    assert installed(models) == ["loudness-model"]
    assert (folder / "model.json").read_bytes() == before


def test_another_kind_of_model_is_named(tmp_path: Path, models: Path) -> None:
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    with pytest.raises(FamilyUnsupported, match="'bert'"):
        add(Request(str(tmp_path / "bert"), models), Notes())
    with pytest.raises(SourceNotFound):
        add(Request(str(tmp_path / "nothing"), models), Notes())


def test_the_command_prints_the_code_and_no_traceback(
    models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["modelkit", "models", "add", "./nothing", "--models", str(models)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith("source_not_found: There is no file or folder ./nothing.")


def test_the_command_installs_and_makes_the_default(source: Path, models: Path) -> None:
    arguments = ["models", "add", str(source), "--models", str(models), "--name", "mine", "--default"]
    shown = runner.invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout == "Installed: mine. Submit jobs with model=mine.\n"
    assert (models / "default-model").read_text(encoding="utf-8") == "mine\n"
