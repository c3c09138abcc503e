"""The engine's choice of a decoder, and its guarantees with beam search."""

import logging
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from shrutlekh_contract.options import RecognitionOptions

from speech import Engine, ModelInvalid, Progress
from speech.decoding import BeamDecoder, GreedyDecoder
from speech.utterance_stream import UtteranceStream
from tests.speech.language_models import write_language_model
from tests.speech.sounds import RATE, silence, speak, write_model, write_wav
from transcript.words import Segment

BEAM = {"decoder": "beam", "alpha": 0.5}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = write_model(tmp_path / "model", decoding=BEAM)
    write_language_model(folder / "lm")
    return folder


def test_the_model_names_its_decoder(model: Path, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", speak("नमस्मे मन"))
    engine = Engine.load(model)
    assert engine.decoder_name == "beam"
    assert isinstance(engine.decoder, BeamDecoder)
    assert [segment.text for segment in engine.transcribe(path).segments()] == ["नमस्ते मन"]
    greedy = engine.transcribe(path, options=RecognitionOptions(decoder="greedy"))
    assert [segment.text for segment in greedy.segments()] == ["नमस्मे मन"]


def test_the_caller_may_name_another(model: Path, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", speak("नमस्मे"))
    engine = Engine.load(model, decoder="greedy")
    assert isinstance(engine.decoder, GreedyDecoder)
    beam = engine.transcribe(path, options=RecognitionOptions(decoder="beam"))
    assert [segment.text for segment in beam.segments()] == ["नमस्ते"]
    assert engine.decoder_named("beam") is engine.decoder_named("beam")
    with pytest.raises(ValueError, match="no decoder 'best'"):
        engine.transcribe(path, options=RecognitionOptions(decoder="best"))


def test_without_a_word_in_model_json_it_is_greedy(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    write_language_model(folder / "lm")
    assert Engine.load(folder).decoder_name == "greedy"
    assert Engine.load(folder, decoder="beam").decoder_name == "beam"


def test_a_model_that_lacks_what_it_names_is_refused(model: Path, tmp_path: Path) -> None:
    shutil.rmtree(model / "lm")
    with pytest.raises(ModelInvalid, match=r"no lm/words\.arpa\.gz"):
        Engine.load(model)
    with pytest.raises(ModelInvalid, match="decoding"):
        Engine.load(write_model(tmp_path / "other", decoding="beam"))
    with pytest.raises(ModelInvalid, match="the decoder 'best'"):
        Engine.load(write_model(tmp_path / "third", decoding={"decoder": "best"}))


def test_without_the_library_the_default_falls_back_and_says_so(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "flashlight.lib.text.decoder", None)
    with caplog.at_level(logging.WARNING):
        assert Engine.load(model).decoder_name == "greedy"
    assert "beam search is not available" in caplog.text
    with pytest.raises(ImportError):
        Engine.load(model, decoder="beam")


def test_a_long_recording_and_its_rest_after_a_stop(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UtteranceStream, "WORKING_BYTES", 4 * 2**20)
    dice = np.random.default_rng(3)
    texts = ["नम", "नमस्ते मन", "सम मत नम मन " * 3]
    parts = [
        part
        for _ in range(20)
        for part in (speak(texts[dice.integers(len(texts))]), silence(dice.uniform(0.4, 2.0)))
    ]
    signal = np.concatenate(parts)
    path = write_wav(tmp_path / "a.wav", signal)
    engine = Engine.load(model)
    reported: dict[int, int] = {}
    whole: list[Segment] = []
    for event in engine.transcribe(path):
        if isinstance(event, Segment):
            whole.append(event)
        elif isinstance(event, Progress):
            reported.setdefault(event.chunks_done, len(whole))
    assert len(reported) > 5
    words = [word for segment in whole for word in segment.words]
    assert all(0.0 <= word.start <= word.end <= len(signal) / RATE for word in words)
    assert all(one.end <= other.start + 1e-6 for one, other in pairwise(words))
    for chunks, segments in reported.items():
        assert list(engine.transcribe(path, skip_chunks=chunks).segments()) == whole[segments:]


def test_alone_and_in_a_batch(model: Path) -> None:
    engine = Engine.load(model)
    waveforms = [speak(text) for text in ("नम मन", "नमस्मे", "सम मत नमस्ते मन")]
    together = [engine.decoder.words(rows) for rows in engine.recogniser.log_probs(waveforms)]
    alone = [engine.decoder.words(engine.recogniser.log_probs([waveform])[0]) for waveform in waveforms]
    assert [[w.text for w in words] for words in together] == [[w.text for w in words] for words in alone]
    assert [[(w.start, w.end) for w in words] for words in together] == [
        [(w.start, w.end) for w in words] for words in alone
    ]
