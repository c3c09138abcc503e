"""``shrutlekh transcribe``: the engine on this machine, without any service."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from shared.settings import Settings
from tests.conftest import missing

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
SAMPLE = SAMPLES / "namaste.wav"


def transcribe(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "ops", "transcribe", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, **environment}
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


def test_subtitles_on_stdout_and_formats_in_a_folder(model: Path, tmp_path: Path) -> None:
    done = transcribe(SAMPLE, "--format", "vtt")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("WEBVTT\n\n00:00:0")
    (tmp_path / "in").mkdir()
    for name in ("library.wav", "rain.wav"):
        (tmp_path / "in" / name).symlink_to(SAMPLES / name)
    (tmp_path / "in" / "rain.mp3").symlink_to(SAMPLES / "namaste.wav")
    done = transcribe(
        *(tmp_path / "in").iterdir(),
        "--format",
        "srt,txt,tsv",
        "--out",
        tmp_path / "out",
        "--numerals",
        "latin",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    stems = {"library", "rain.wav", "rain.mp3"}  # names that would meet keep their extension
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{stem}.{form}" for stem in stems for form in ("srt", "txt", "tsv")
    }
    assert "9" in (tmp_path / "out" / "library.txt").read_text(encoding="utf-8")


def test_channels_apart(model: Path, tmp_path: Path) -> None:
    sound, rate = soundfile.read(SAMPLE)
    soundfile.write(tmp_path / "call.wav", np.stack([sound, np.zeros_like(sound)], axis=1), rate)
    done = transcribe(tmp_path / "call.wav", "--channels", "each", "--decoder", "greedy")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("[1] ")
    assert "[2] " not in done.stdout


def test_hot_words_without_beam_search(model: Path) -> None:
    done = transcribe(SAMPLE, "--decoder", "greedy", "--hotword", "मसूरी")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("hotwords_unsupported: ")


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
    done = transcribe(SAMPLE, "--format", "srt,vtt")
    assert done.returncode == 2
    assert "name one with --out" in done.stderr
    done = transcribe(SAMPLE, "--format", "srt", "--json")
    assert done.returncode == 2
    done = transcribe(SAMPLE, SHRUTLEKH_MAX_ATTEMPTS="many")
    assert done.returncode == 2
    assert "A setting in the environment is wrong." in done.stderr
    assert "Traceback" not in done.stderr
