"""Model folders of the family "whisper": what they need, and what is wrong with broken ones."""

import json
import sys
from pathlib import Path

import pytest
from shrutlekh_contract.options import RecognitionOptions

from speech import Engine, HotwordsUnsupported, ModelFolder, ModelInvalid
from speech.decoding import WordDecoder
from speech.recognisers import as_ctc, family_of, load_recogniser
from speech.recognisers.whisper import WHISPER
from tests.conftest import require
from tests.speech.sounds import write_model
from tests.speech.word_family import WordRecogniser

SPECIAL = ("<|endoftext|>", "<|startoftranscript|>", "<|hi|>", "<|transcribe|>", "<|notimestamps|>")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_whisper(tmp_path / "whisper")


def write_whisper(folder: Path, **changes: object) -> Path:
    """Write a folder that is whole but for its weights."""
    folder.mkdir(exist_ok=True)
    (folder / "vocabulary.json").write_text(json.dumps(SPECIAL), encoding="utf-8")
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "model.bin").write_bytes(b"no weights")
    card = {
        "format": 1,
        "name": "whisper",
        "family": "whisper",
        "language": "hi",
        "max_segment_seconds": 30.0,
        **changes,
    }
    (folder / "model.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


def test_the_family_implies_what_the_card_does_not_say(folder: Path) -> None:
    model = ModelFolder.load(folder)
    assert (model.sample_rate, model.frame_stride, model.min_samples, model.tokens) == (16_000, 0.02, 1, ())
    assert model.weights() == model.weights("int8") == folder / "model.bin"
    assert family_of(model) is WHISPER


@pytest.mark.parametrize("seconds", [None, 31.0])
def test_no_chunk_is_longer_than_the_window(folder: Path, seconds: float | None) -> None:
    """What is behind 30 seconds would not be heard."""
    with pytest.raises(ModelInvalid, match="'max_segment_seconds'"):
        Engine.load(write_whisper(folder, max_segment_seconds=seconds))


def test_other_families_must_say_it(tmp_path: Path) -> None:
    with pytest.raises(ModelInvalid, match="'blank_id' must be a whole number, and is missing"):
        ModelFolder.load(write_model(tmp_path / "model", blank_id=None))


def test_it_has_no_graph(folder: Path) -> None:
    with pytest.raises(ModelInvalid, match="'whisper', which has no graph"):
        ModelFolder.load(folder).graph()
    (folder / "model.bin").unlink()
    with pytest.raises(ModelInvalid, match=r"no model\.bin"):
        ModelFolder.load(folder).weights()


def test_without_the_library_the_error_names_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(ModelInvalid, match=r"pip install 'shrutlekh\[whisper\]'"):
        Engine.load(folder)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "weights of the model whisper could not be loaded"),
        ({"language": "mr"}, r"no token <\|mr\|>"),
        ({"decoding": {"beam": 0}}, r"'decoding\.beam' in model\.json must be in 1\.\.5"),
        ({"decoding": {"beam": "wide"}}, r"'decoding\.beam'"),
    ],
)
def test_what_is_broken(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    require("ctranslate2")
    with pytest.raises(ModelInvalid, match=says):
        load_recogniser(ModelFolder.load(write_whisper(tmp_path / "model", **changes)))


def test_there_is_no_search_with_a_language_model(folder: Path, model_path: Path) -> None:
    (folder / "lm").mkdir()
    engine = Engine(ModelFolder.load(folder), WordRecogniser(ModelFolder.load(model_path)))
    assert isinstance(engine.decoder, WordDecoder)
    assert engine.decoder_name == "greedy"
    with pytest.raises(ModelInvalid, match="takes no language model"):
        engine.decoder_for(RecognitionOptions(decoder="beam"))
    with pytest.raises(ValueError, match="no decoder 'best'"):
        engine.decoder_for(RecognitionOptions(decoder="best"))
    (folder / "lm").rmdir()
    with pytest.raises(HotwordsUnsupported):
        engine.decoder_for(RecognitionOptions(hotwords=("दिल्ली",)))


def test_what_needs_log_probabilities_says_so(model_path: Path) -> None:
    model = ModelFolder.load(model_path)
    with pytest.raises(ModelInvalid, match="no log-probabilities"):
        as_ctc(WordRecogniser(model))
    assert as_ctc(load_recogniser(model)).log_probs([]) == []
