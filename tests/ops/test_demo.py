"""The demonstration and the recordings that it speaks of."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import soundfile

from shared.settings import Settings
from tests.conftest import missing

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
PATIENCE = 240.0
"""Seconds for a start or an end on a machine that is busy with other tests."""


def test_the_manifest_lists_the_samples() -> None:
    with (SAMPLES / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {row["path"] for row in rows} == {path.name for path in SAMPLES.glob("*.wav")}
    assert len(rows) >= 4
    for row in rows:
        info = soundfile.info(SAMPLES / row["path"])
        assert (info.channels, info.subtype) == (1, "PCM_16")
        assert info.duration == pytest.approx(float(row["seconds"]), abs=0.01)
        assert row["language"] == "hi"
        assert row["speaker"].startswith("espeak-ng ")
        assert row["text"].strip()


def start(folder: Path) -> "subprocess.Popen[str]":
    settings = Settings()
    if not (settings.models_dir / settings.default_model / "model.onnx").is_file():
        missing("the default model")
    return subprocess.Popen(
        [sys.executable, "-m", "ops.demo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "client")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.stack
def test_the_demo_shows_texts_and_paints_pictures(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    for path in SAMPLES.glob("*.wav"):
        assert path.name in out
        picture = Path(".demo/out") / f"{path.stem}.png"
        assert str(picture) in out
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / picture).with_suffix(".txt").read_text(encoding="utf-8").strip()
        assert " --> " in (tmp_path / picture).with_suffix(".srt").read_text(encoding="utf-8")
    assert "shrutlekh submit" in out


@pytest.mark.stack
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_demo_that_is_stopped_takes_its_service_along(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path) as process:
        demo = psutil.Process(process.pid)
        deadline = time.monotonic() + PATIENCE
        while len(tree := demo.children(recursive=True)) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in err
    assert not psutil.wait_procs(tree, 30)[1]
