"""What SOURCE means, and models of this machine."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelkit.errors import DiskFull, ExtraMissing, SourceInvalid, SourceNotFound
from modelkit.sources import open_source
from tests.api.small_disk import MEGABYTES, fill, small_disk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "my-model"
    (folder / "lm").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "config.json").write_text('{"model_type": "whisper"}')
    (folder / "model.bin").write_bytes(bytes(range(256)) * 5000)
    (folder / "lm" / "शब्द.txt").write_text("नमस्ते", encoding="utf-8")
    (folder / ".git" / "config").write_text("hidden")
    return folder


def test_a_folder(tmp_path: Path, folder: Path) -> None:
    source = open_source(str(folder))
    listing = source.listing()
    assert listing.config == {"model_type": "whisper"}
    assert listing.sizes == {"config.json": 25, "lm/शब्द.txt": 18, "model.bin": 1_280_000}
    seen: list[tuple[int, int]] = []
    into = tmp_path / "staging" / "files"
    provenance = source.fetch(["lm/शब्द.txt", "model.bin"], into, lambda *state: seen.append(state))
    assert provenance.entries() == {
        "kind": "folder",
        "id": "my-model",
        "files": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in ("lm/शब्द.txt", "model.bin")
        },
    }
    assert sorted(path.name for path in into.rglob("*") if path.is_file()) == ["model.bin", "शब्द.txt"]
    assert seen[-1] == (1_280_018, 1_280_018)
    assert source.revision is source.licence is None


def test_the_users_files_are_copied(tmp_path: Path, folder: Path) -> None:
    """A conversion may move or change its files."""
    into = tmp_path / "into"
    open_source(str(folder)).fetch(["model.bin"], into)
    (into / "model.bin").write_bytes(b"changed")
    assert (folder / "model.bin").stat().st_size == 1_280_000
    open_source(str(folder)).fetch(["model.bin"], into)
    assert (into / "model.bin").read_bytes() == (folder / "model.bin").read_bytes()


def test_the_hubs_cache_is_a_folder_of_links(tmp_path: Path, folder: Path) -> None:
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    (snapshot / "model.bin").symlink_to(folder / "model.bin")
    (snapshot / "loop").symlink_to(snapshot)
    source = open_source(str(snapshot))
    assert list(source.listing().sizes) == ["model.bin"]
    source.fetch(["model.bin"], tmp_path / "into")
    assert not (tmp_path / "into" / "model.bin").is_symlink()


def test_a_file(tmp_path: Path) -> None:
    archive = tmp_path / "conformer.nemo"
    archive.write_bytes(b"archive")
    source = open_source(str(archive))
    assert source.listing().sizes == {"conformer.nemo": 7}
    provenance = source.fetch(["conformer.nemo"], tmp_path / "into")
    assert (provenance.kind, provenance.id) == ("file", "conformer.nemo")
    assert (tmp_path / "into" / "conformer.nemo").read_bytes() == b"archive"


def test_a_file_of_this_machine_comes_before_the_hub(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org").mkdir()
    folder.rename(tmp_path / "org" / "name")
    assert open_source("org/name").kind == "folder"
    assert open_source("org/other").kind == "hub"
    assert open_source("org/other@refs/pr/1").kind == "hub"
    assert open_source("org").id == "org"
    assert open_source(".").id == tmp_path.name


@pytest.mark.parametrize(
    "source",
    [
        "missing",
        "./org/name",
        "/org/name",
        "~/org/name",
        "org/model.nemo",
        "a/b/c",
        "org/name@",
        "https://x/a/b",
        "",
    ],
)
def test_neither(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceNotFound, match="organisation/name"):
        open_source(source)


def test_files_that_are_not_there_or_cannot_be_used(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(SourceNotFound, match=r"no file other\.bin"):
        open_source(str(folder)).fetch(["other.bin"], tmp_path / "into")
    (folder / "config.json").write_text("[]")
    with pytest.raises(SourceInvalid, match=r"config\.json"):
        open_source(str(folder)).listing()
    (folder / "a\\b").touch()
    with pytest.raises(SourceInvalid, match="rename"):
        open_source(str(folder)).listing()
    (folder / "a\\b").unlink()
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).touch()
    with pytest.raises(SourceInvalid, match="rename"):
        open_source(str(folder)).listing()


def test_a_full_disk(tmp_path: Path, folder: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        with pytest.raises(DiskFull, match="MB are needed"):
            open_source(str(folder)).fetch(["model.bin"], disk / "into", reserve=MEGABYTES * 2**20)

        def others_write(done: int, total: int) -> None:
            if not (disk / "ballast").exists():
                fill(disk)

        with pytest.raises(DiskFull, match="became full"):
            open_source(str(folder)).fetch(["config.json", "model.bin"], disk / "into", others_write)


def test_the_hub_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("huggingface_hub", "modelkit.sources.hub"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ExtraMissing, match=r"shrutlekh\[modelkit\]"):
        open_source("org/name")


def test_neither_torch_nor_the_hub_is_imported_for_a_folder(folder: Path) -> None:
    code = "import sys; from modelkit.sources import open_source; import modelkit.sources.pickled;"
    code += "open_source(sys.argv[1]).listing();"
    code += "print([name for name in ('torch', 'huggingface_hub') if name in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"
