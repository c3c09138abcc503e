"""model.json read and written through its card."""

import json
from pathlib import Path

import pytest
from shrutlekh_contract.model_card import ModelCardInvalid

from modelkit.description import read_description, record_evaluation, write_description
from tests.speech.sounds import write_model

MEASURED = {"set": "dev", "decoder": "greedy", "normaliser": "strict", "wer": 0.5}


def test_fields_keep_their_order_and_unknown_ones_stay(tmp_path: Path) -> None:
    folder = write_model(tmp_path, zeta={"kept": [1, 2.50]}, frame_stride=1)
    before = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    record_evaluation(folder, MEASURED)
    after = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert list(after) == list(before)
    assert after == {**before, "evaluation": [MEASURED]}
    assert json.dumps(after["frame_stride"]) == "1"


def test_what_breaks_the_format_is_neither_read_nor_written(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    entries = read_description(folder)
    with pytest.raises(ModelCardInvalid, match=r"'min_samples' must be in 1\.\.1000000, not 0"):
        write_description(folder, {**entries, "min_samples": 0})
    assert read_description(folder) == entries
    (folder / "model.json").write_text(json.dumps({**entries, "language": None}), encoding="utf-8")
    with pytest.raises(ModelCardInvalid, match="'language' must be a text, not None"):
        read_description(folder)
