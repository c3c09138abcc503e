"""``shrutlekh transcribe``: the engine on this machine, without any service."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.conftest import missing

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
SAMPLE = SAMPLES / "namaste.wav"


def transcribe(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "client", "transcribe", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )


@pytest.fixture(scope="module")
def model() -> Path:
    settings = Settings()
    folder = settings.models_dir / settings.default_model
    if not (folder / "model.onnx").is_file():
        missing("the default model")
    return folder


def test_text_on_stdout_and_a_picture(model: Path, tmp_path: Path) -> None:
    done = transcribe(SAMPLE, "--picture", tmp_path / "a.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert any("\u0900" <= letter <= "\u097f" for letter in done.stdout)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_json_has_words_with_times(model: Path) -> None:
    done = transcribe(SAMPLE, SAMPLES / "rain.wav", "--json", "--model", model)
    assert done.returncode == 0
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["path"], first["language"]) == (str(SAMPLE), "hi")
    words = [word for segment in first["segments"] for word in segment["words"]]
    assert first["text"] == " ".join(word["text"] for word in words)
    assert all(0 <= word["start"] < word["end"] <= first["seconds"] for word in words)
    assert second["seconds"] == pytest.approx(3.18, abs=0.02)


def test_one_bad_recording_does_not_stop_the_next(model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"this is no audio")
    done = transcribe(tmp_path / "bad.wav", tmp_path / "gone.wav", SAMPLE)
    assert done.returncode == 1
    bad, gone = done.stderr.splitlines()
    assert bad.startswith(f"{tmp_path}/bad.wav: audio_unreadable: ")
    assert gone.startswith(f"{tmp_path}/gone.wav: audio_unreadable: ")
    assert f"==> {SAMPLE} <==\n" in done.stdout
    listed = json.loads(transcribe(tmp_path / "bad.wav", "--json").stdout)
    assert listed["error"]["code"] == "audio_unreadable"


@pytest.mark.parametrize("model", ["no-such-model", "../models"])
def test_a_model_that_is_not_there(model: str) -> None:
    done = transcribe(SAMPLE, "--model", model)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("model_not_found: ")


def test_a_picture_that_cannot_be_written(model: Path) -> None:
    done = transcribe(SAMPLE, "--picture", "/nowhere/a.png")
    assert done.returncode == 1
    assert "file_unwritable: No such file or directory: /nowhere/a.png" in done.stderr


def test_wrong_usage() -> None:
    done = transcribe(SAMPLE, SAMPLE, "--picture", "a.png")
    assert done.returncode == 2
    assert "name one FILE" in done.stderr
    done = transcribe(SAMPLE, SHRUTLEKH_MAX_ATTEMPTS="many")
    assert done.returncode == 2
    assert "A setting in the environment is wrong." in done.stderr
    assert "Traceback" not in done.stderr
