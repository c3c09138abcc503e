"""What `python -m worker` does when its model is not in order: it ends, and says why."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.speech.sounds import write_model

ROOT = Path(__file__).resolve().parents[2]


def start(models: Path, redis_server: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "SHRUTLEKH_MODELS_DIR": str(models),
        "SHRUTLEKH_DEFAULT_MODEL": "loudness",
        "SHRUTLEKH_REDIS_URL": redis_server,
        "SHRUTLEKH_DATA_DIR": str(tmp_path / "data"),
    }
    command = [sys.executable, "-m", "worker"]
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def break_graph(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"no graph")


def break_graph_and_hash(folder: Path) -> None:
    break_graph(folder)
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    card["files"]["model.onnx"] = sha256(b"no graph").hexdigest()
    (folder / "model.json").write_text(json.dumps(card), encoding="utf-8")


def remove_card(folder: Path) -> None:
    (folder / "model.json").unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (remove_card, "The requested model is not installed"),
        (break_graph, "SHRUTLEKH_MODELS_DIR"),
        (break_graph_and_hash, "worker_start_failed"),
    ],
    ids=["no card", "wrong hash", "no graph"],
)
def test_a_broken_model_ends_the_worker(tmp_path: Path, redis_server: str, damage: object, said: str) -> None:
    assert callable(damage)
    damage(write_model(tmp_path / "models" / "loudness", name="loudness"))
    done = start(tmp_path / "models", redis_server, tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
