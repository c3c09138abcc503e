"""`modelkit models add` from a hub that fails: a coded error, nothing half-made, and a resumed next try."""

import subprocess
from pathlib import Path

import pytest

from modelkit import read_description
from modelkit.adding import Request, add
from modelkit.errors import (
    AccessDenied,
    DiskFull,
    DownloadCorrupt,
    DownloadFailed,
    ModelkitError,
    SourceNotFound,
)
from speech import ModelFolder
from tests.api.small_disk import small_disk
from tests.modelkit.hub_double import HubDouble
from tests.modelkit.notes import Notes
from tests.speech.sounds import write_model

NAME = "org/loudness"


@pytest.fixture
def commit(hub: HubDouble, tmp_path: Path) -> str:
    return hub.add(NAME, write_model(tmp_path / "loudness"), licence="apache-2.0")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def visible(models: Path) -> list[str]:
    return sorted(path.name for path in models.glob("[!.]*"))


def test_a_model_of_the_hub_is_installed_with_its_commit_and_licence(commit: str, models: Path) -> None:
    notes = Notes()
    folder = add(Request(NAME, models), notes)
    card = read_description(folder)
    assert card["licence"] == "apache-2.0"
    assert "Licence: apache-2.0" in notes.sentences
    source = card["source"]
    assert (source["kind"], source["id"], source["revision"]) == ("hub", NAME, commit)
    assert source["files"]["model.onnx"] == card["files"]["model.onnx"]
    ModelFolder.load(folder).verify_hashes()
    assert [path.name for path in models.iterdir()] == ["loudness"]


def test_an_interrupted_download_goes_on_at_the_next_try(hub: HubDouble, commit: str, models: Path) -> None:
    hub.cut("model.onnx", after=500, times=1)
    for _ in range(8):
        hub.cut("model.onnx", after=0)
    with pytest.raises(DownloadFailed, match="again"):
        add(Request(NAME, models), Notes())
    assert visible(models) == []
    hub.faults.clear()
    hub.requests.clear()
    add(Request(NAME, models), Notes())
    assert set(hub.ranges("model.onnx")) == {"bytes=500-"}
    assert [path.name for path in models.iterdir()] == ["loudness"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (lambda hub: hub.flip("model.onnx", 100, times=9), DownloadCorrupt),
        (lambda hub: hub.answer("tokens.txt", 500, times=99), DownloadFailed),
        (lambda hub: hub.answer("/api/models", 500, times=99), DownloadFailed),
        (lambda hub: hub.resize("model.onnx", 10, times=9), ModelkitError),
        (lambda hub: hub.names.update({"tokens.txt": "../tokens.txt"}), ModelkitError),
    ],
    ids=["flipped bit", "file fails", "hub fails", "wrong size", "name leads out"],
)
def test_a_failure_leaves_the_installed_version(
    hub: HubDouble, commit: str, models: Path, fault: object, error: type[ModelkitError]
) -> None:
    folder = add(Request(NAME, models), Notes())
    before = (folder / "model.json").read_bytes()
    fault(hub)  # type: ignore[operator]
    with pytest.raises(error):
        add(Request(NAME, models), Notes())
    assert visible(models) == ["loudness"]
    assert (folder / "model.json").read_bytes() == before
    hub.faults.clear()
    hub.names.clear()
    add(Request(NAME, models), Notes())
    assert [path.name for path in models.iterdir()] == ["loudness"]


def test_gated_and_unknown_repositories(hub: HubDouble, models: Path, tmp_path: Path) -> None:
    hub.add("org/gated", write_model(tmp_path / "gated"), gated=True)
    with pytest.raises(AccessDenied, match="HF_TOKEN"):
        add(Request("org/gated", models), Notes())
    with pytest.raises(SourceNotFound):
        add(Request("org/nothing", models), Notes())
    assert list(models.iterdir()) == []


def test_a_full_disk_leaves_nothing(commit: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        size = 8 * 2**20 - 8_000
        subprocess.run(["fallocate", "-l", str(size), str(disk / "ballast")], check=True)
        with pytest.raises(DiskFull):
            add(Request(NAME, disk), Notes())
        assert visible(disk) == ["ballast"]
        (disk / "ballast").unlink()
        add(Request(NAME, disk), Notes())
        assert [path.name for path in disk.iterdir()] == ["loudness"]
