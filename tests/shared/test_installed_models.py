"""Which model folders the service lists."""

import json
from pathlib import Path

import pytest

from shared.errors import ModelNotInstalled
from shared.installed_models import find_model, installed_models, read_card
from tests.conftest import MODEL


@pytest.mark.parametrize("change", [{"sample_rate": "16000"}, {"language": ""}, {"format": 2}])
def test_a_folder_whose_card_breaks_the_format_is_left_out(
    models_dir: Path, change: dict[str, object]
) -> None:
    card = json.loads((models_dir / MODEL / "model.json").read_text(encoding="utf-8"))
    (models_dir / "broken").mkdir()
    (models_dir / "broken" / "model.json").write_text(json.dumps({**card, **change}), encoding="utf-8")
    (models_dir / "unreadable").mkdir()
    (models_dir / "unreadable" / "model.json").write_bytes(b"\xff")
    assert [model.name for model in installed_models(models_dir)] == [MODEL]
    with pytest.raises(ModelNotInstalled, match=f"Installed: {MODEL}"):
        find_model(models_dir, "absent")


def test_no_card(tmp_path: Path) -> None:
    assert read_card(tmp_path) is None
    assert installed_models(tmp_path / "absent") == []
