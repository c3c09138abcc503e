"""What an application installs: public names, examples, and the wheel without the rest of the house."""

import asyncio
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import shrutlekh

from shared.version import VERSION
from tests.client.fake_service import FakeService

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
TALK = """
import pathlib, sys
import shrutlekh
assert not {"httpx", "rich", "typer"} & sys.modules.keys()
from shrutlekh import ShrutlekhClient
assert "typer" not in sys.modules  # rich comes with httpx, where it is installed
sys.stdout.reconfigure(encoding="utf-8")
pathlib.Path("a.wav").write_bytes(b"RIFF")
with ShrutlekhClient(sys.argv[1]) as client:
    print(client.transcript(client.wait_for(client.submit("a.wav").id).id)["text"])
"""


def test_every_public_name_is_there() -> None:
    assert set(shrutlekh.__all__) == {*shrutlekh._HOME_OF, "RecognitionOptions"}
    for name in shrutlekh.__all__:
        assert getattr(shrutlekh, name) is not None
        assert name in dir(shrutlekh)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        shrutlekh.nothing  # noqa: B018


@pytest.mark.parametrize("page", ["client/README.md", "docs/python.md"])
def test_the_examples_run(
    page: str, service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("interview.wav").write_bytes(b"RIFF")
    examples = EXAMPLE.findall((ROOT / page).read_text(encoding="utf-8"))
    assert len(examples) == 2
    names: dict[str, object] = {}
    for example in examples:
        exec(example.replace("http://127.0.0.1:8000", service.url), names)
    assert service.uploads == ["interview.wav"]
    if "transcribe" in names:
        texts = asyncio.run(names["transcribe"](["interview.wav"] * 2))  # type: ignore[operator]
        assert texts == ["नमस्ते interview.wav"] * 2


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel of the client, as pip makes it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(folder), str(ROOT / "client")], check=True, cwd=folder)
    (built,) = folder.glob("shrutlekh_client-*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def python(wheel: Path, folder: Path, *arguments: str) -> str:
    """Run Python outside of the repository with the wheel and the installed libraries, without the house.

    ``-S`` passes over the editable install of the repository; its libraries are named by PYTHONPATH instead.
    """
    libraries = [path for path in sys.path if path.endswith("-packages")]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SHRUTLEKH_")},
        "PYTHONPATH": os.pathsep.join([str(wheel), *libraries]),
    }
    command = [sys.executable, "-S", "-P", *arguments]
    return subprocess.run(
        command, check=True, cwd=folder, env=environment, capture_output=True, text=True
    ).stdout


def test_the_wheel_holds_the_client_alone(wheel: Path) -> None:
    (information,) = wheel.glob("*.dist-info")
    assert {path.name for path in wheel.iterdir()} == {"shrutlekh", "shrutlekh_contract", information.name}
    assert "# Shrutlekh client" in (information / "METADATA").read_text(encoding="utf-8")


def test_the_wheel_works_by_itself(wheel: Path, service: FakeService, tmp_path: Path) -> None:
    house = "import importlib.util as u; print([u.find_spec(n) for n in ('api', 'ops', 'shared', 'speech')])"
    assert python(wheel, tmp_path, "-c", house) == "[None, None, None, None]\n"
    assert python(wheel, tmp_path, "-c", TALK, service.url) == "नमस्ते a.wav\n"
    assert "Usage: shrutlekh" in python(wheel, tmp_path, "-m", "shrutlekh", "--help")
    assert python(wheel, tmp_path, "-m", "shrutlekh", "--version") == f"shrutlekh {VERSION}\n"
    listed = python(wheel, tmp_path, "-m", "shrutlekh", "status", "--json", "--url", service.url)
    assert '"succeeded": 1' in listed
