"""`modelkit models`: list, show, verify, default, remove and compare, on a folder of small models."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelkit.__main__ import app
from modelkit.catalogue import listed, make_default, remove
from modelkit.errors import IsDefault, NotInstalled
from shared.settings import Settings
from tests.conftest import ROOT
from tests.speech.sounds import speak, write_model, write_wav

runner = CliRunner()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    for name in ("first", "second"):
        write_model(folder / name)
    return folder


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "set").mkdir()
    write_wav(tmp_path / "set" / "a.wav", speak("नम नम"))
    path = tmp_path / "set" / "manifest.tsv"
    path.write_text("path\ttext\tspeaker\na.wav\tनम सम\tone\n", encoding="utf-8")
    return path


def run(models: Path, *arguments: str) -> str:
    shown = runner.invoke(app, ["models", *arguments, "--models", str(models)])
    assert shown.exit_code == 0, shown.output
    return shown.stdout


def test_the_list_has_every_model_also_a_broken_one(models: Path) -> None:
    (models / "second" / "model.json").write_text("{}", encoding="utf-8")
    (models / ".adding-third").mkdir()
    found = json.loads(run(models, "list", "--json"))
    assert [(entry["name"], entry["family"]) for entry in found] == [("first", "ctc"), ("second", None)]
    assert "'format' must be" in found[1]["error"]
    assert "first" in run(models, "list")


def test_the_default_is_what_services_use_from_their_next_start_on(models: Path) -> None:
    assert Settings(models_dir=models).default_model == "hi-ctc-base"
    run(models, "default", "second")
    assert Settings(models_dir=models).default_model == "second"
    assert [model.is_default for model in listed(models)] == [False, True]
    with pytest.raises(NotInstalled, match="third is not installed"):
        make_default(models, "third")
    assert Settings(models_dir=models).default_model == "second"


def test_a_model_is_removed_whole_but_not_the_default(models: Path) -> None:
    make_default(models, "first")
    with pytest.raises(IsDefault):
        remove(models, "first")
    run(models, "remove", "second")
    assert sorted(path.name for path in models.iterdir()) == ["default-model", "first"]
    for name in ("second", "../first", ".."):
        with pytest.raises(NotInstalled):
            remove(models, name)


def test_verify_says_what_is_wrong(models: Path) -> None:
    run(models, "verify", "first")
    (models / "first" / "tokens.txt").write_text("x 0\n", encoding="utf-8")
    failed = runner.invoke(app, ["models", "verify", "first", "--models", str(models)])
    assert failed.exit_code == 1
    assert "failed" in failed.output


def test_show_tells_origin_licence_and_figures(models: Path, manifest: Path) -> None:
    arguments = ["evaluate", str(models / "first"), "--manifest", str(manifest), "--write"]
    assert runner.invoke(app, arguments).exit_code == 0
    shown = run(models, "show", "first")
    assert "licence: " in shown
    assert "0.5000" in shown
    assert json.loads(run(models, "show", "first", "--json"))["family"] == "ctc"


def test_two_equal_models_do_not_differ(models: Path, manifest: Path) -> None:
    found = json.loads(run(models, "compare", "first", "second", "--manifest", str(manifest), "--json"))
    assert [model["wer"] for model in found["models"]] == [0.5, 0.5]
    assert all(model["cpu_seconds"] > 0 for model in found["models"])
    assert found["wer_difference"] == {"value": 0.0, "interval": [0.0, 0.0], "second_is_better": 0.0}
    assert "WER of second less that of first: +0.0000" in run(
        models, "compare", "first", "second", "--manifest", str(manifest)
    )


def shrutlekh(models: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SHRUTLEKH_MODELS_DIR": str(models), "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-m", "ops", "models", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_commands_are_those_of_shrutlekh_for_the_folder_of_the_settings(models: Path) -> None:
    found = shrutlekh(models, "list", "--json")
    assert [model["name"] for model in json.loads(found.stdout)] == ["first", "second"]
    missing = shrutlekh(models, "show", "third")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("model_not_installed: third is not installed in")
    assert "Usage: shrutlekh models add" in shrutlekh(models, "add", "--help").stdout
