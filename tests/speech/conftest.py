import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.speech.sounds import write_model

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "loudness")


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Path]:
    return lambda **changes: write_model(tmp_path / "model", **changes)


@pytest.fixture(scope="session")
def clips(speech_dir: Path) -> list[Path]:
    """Hindi clips of Common Voice: MP3, 48 kHz, 2 to 10 seconds."""
    return sorted((speech_dir / "cv-hi" / "clips").glob("*.mp3"))


@pytest.fixture(scope="session")
def installed_model() -> Path:
    for file in sorted((ROOT / "models").glob("*/model.json")):
        return file.parent
    if os.environ.get("CI") == "true":
        pytest.fail("no model is installed under models/")
    pytest.skip("no model is installed under models/")
