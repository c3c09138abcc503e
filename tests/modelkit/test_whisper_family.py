"""Whisper checkpoints become model folders with the texts of transformers; what cannot leaves nothing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from modelkit import read_description
from modelkit.adding import Request, add
from modelkit.errors import FamilyUnsupported, ModelkitError, SourceInvalid, WeightsUnsafe
from modelkit.families.protocol import Listing
from modelkit.families.whisper import FAMILY
from modelkit.measuring.manifest import Entry
from speech import ModelFolder
from speech.recognisers import load_recogniser
from tests.conftest import ROOT, require
from tests.modelkit.hub_double import HubDouble
from tests.modelkit.notes import Notes
from tests.modelkit.test_adding import installed

require("torch")
require("transformers")
require("ctranslate2")

import torch  # noqa: E402

from tests.modelkit.small_whisper import make_whisper, openai_checkpoint, whisper_text  # noqa: E402


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return make_whisper(tmp_path_factory.mktemp("whisper") / "checkpoint", seed=1)


@pytest.fixture(scope="module")
def converted(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add(Request(str(checkpoint), tmp_path_factory.mktemp("models"), licence="mit"), Notes())


@pytest.fixture
def source(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "checkpoint"))


def sounds() -> list[np.ndarray]:
    dice = np.random.default_rng(1)
    return [
        dice.normal(0.0, 0.05, round(seconds * 16_000)).astype(np.float32) for seconds in (0.5, 3.0, 12.3)
    ]


def test_the_greedy_text_is_that_of_transformers(checkpoint: Path, converted: Path) -> None:
    original = whisper_text(checkpoint)
    recogniser = load_recogniser(ModelFolder.load(converted), 1, "float32")
    for waveform in sounds():
        (emission,) = recogniser.emissions([waveform])
        expected = original(waveform)
        assert len(expected.replace(" ", "")) > 5
        assert " ".join(emission.heard.texts) == expected


def test_a_model_of_the_hub_is_installed(checkpoint: Path, hub: HubDouble, tmp_path: Path) -> None:
    hub.add("org/small-whisper", checkpoint)
    notes = Notes()
    folder = add(Request("org/small-whisper", tmp_path / "models", licence="mit"), notes)
    card = read_description(folder)
    assert (card["family"], card["language"], card["frame_stride"]) == ("whisper", "hi", 0.02)
    assert set(card["files"]) == {"config.json", "model.bin", "vocabulary.json"}
    assert notes.checks
    assert all(check.passed is not False for check in notes.checks)


def test_ctranslate2s_layout_is_copied_without_other_files(converted: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(converted, tmp_path / "converted"))
    (source / "model.json").unlink()
    (source / "evil.py").write_text("raise SystemExit")
    folder = add(Request(str(source), tmp_path / "models"), Notes())
    assert set(read_description(folder)["files"]) == {"config.json", "model.bin", "vocabulary.json"}
    assert (folder / "model.bin").read_bytes() == (converted / "model.bin").read_bytes()


def test_a_manifest_chooses_the_precision(checkpoint: Path, tmp_path: Path) -> None:
    entries = [Entry(ROOT / "samples" / "namaste.wav", "नमस्ते", "a")]
    folder = add(Request(str(checkpoint), tmp_path / "models", entries=entries, set_name="one"), Notes())
    rows = read_description(folder)["variants"]["measured"]
    assert [row["precision"] for row in rows] == ["float32", "int8"]
    assert sum(row["chosen"] for row in rows) == 1


def refused(source: Path, tmp_path: Path, kind: type[ModelkitError], language: str = "hi") -> str:
    models = tmp_path / "models"
    with pytest.raises(kind) as caught:
        add(Request(str(source), models, language=language), Notes())
    assert installed(models) == []
    return caught.value.message


def test_a_language_that_the_model_does_not_know(source: Path, tmp_path: Path) -> None:
    assert "'ta'" in refused(source, tmp_path, FamilyUnsupported, "ta")


def test_no_tokenizer(source: Path, tmp_path: Path) -> None:
    (source / "tokenizer.json").unlink()
    assert "tokenizer" in refused(source, tmp_path, SourceInvalid)


def test_a_tokenizer_of_another_model(source: Path, tmp_path: Path) -> None:
    path = source / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    tokenizer["added_tokens"] = []
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    assert "<|startoftranscript|>" in refused(source, tmp_path, SourceInvalid)


def test_weights_of_another_shape(source: Path, tmp_path: Path) -> None:
    path = source / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "decoder_ffn_dim": 64}), encoding="utf-8")
    assert "shape" in refused(source, tmp_path, SourceInvalid)


def test_a_pickle_that_runs_code_is_not_loaded(source: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    (source / "model.safetensors").unlink()
    torch.save({"model.encoder.conv1.weight": Evil()}, source / "pytorch_model.bin")
    refused(source, tmp_path, WeightsUnsafe)
    assert not (tmp_path / "ran").exists()


def test_variants_that_cannot_be_added() -> None:
    with pytest.raises(FamilyUnsupported, match="English-only"):
        FAMILY.wanted(Listing({"config.json": 1}, {"model_type": "whisper", "vocab_size": 51864}))
    with pytest.raises(SourceInvalid, match="no tokenizer"):
        FAMILY.wanted(Listing({"base.pt": 1}))
    assert FAMILY.wanted(Listing({"config.json": 1, "model.bin": 1}, {"model_type": "wav2vec2"})) is None


def test_a_checkpoint_of_openai_is_the_same_model(checkpoint: Path, converted: Path, tmp_path: Path) -> None:
    source = tmp_path / "openai"
    openai_checkpoint(checkpoint, source)
    folder = add(Request(str(source), tmp_path / "models", licence="mit"), Notes())
    assert read_description(folder)["conversion"]["layout"] == "OpenAI"
    digests = [read_description(one)["files"]["model.bin"] for one in (converted, folder)]
    assert digests[0] == digests[1]
    theirs, ours = (load_recogniser(ModelFolder.load(one), 1, "float32") for one in (converted, folder))
    waveform = sounds()[1]
    assert ours.emissions([waveform])[0].heard.texts == theirs.emissions([waveform])[0].heard.texts
