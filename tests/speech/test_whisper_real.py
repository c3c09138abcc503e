"""Whisper base: the texts of real clips are those of faster-whisper, token by token."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.whisper_base import whisper_base
from speech import Engine, ModelFolder
from speech.audio import open_audio
from speech.recognisers.whisper import WHISPER, WhisperRecogniser, guards
from speech.text import transcript_text
from tests.conftest import ROOT, missing, require
from tests.speech.sounds import write_wav
from training.corpora.packages import FetchFailed

require("ctranslate2")
require("faster_whisper")

CACHE = ROOT / ".work" / "whisper"
CLIPS = sorted((ROOT / "samples").glob("*.wav"))[:2]
RATE = 16_000
MOST = 224
"""Tokens that faster-whisper writes at most: CTranslate2 keeps half of the positions for a prompt."""


@pytest.fixture(scope="session")
def base() -> Path:
    try:
        return whisper_base(CACHE)
    except FetchFailed as error:
        missing(str(error))


@pytest.fixture(scope="session")
def like_faster_whisper(base: Path) -> Path:
    """The model with faster-whisper's padding."""
    return whisper_base(base.parent, "zero")


@pytest.fixture(scope="session")
def faster_whisper(base: Path) -> Callable[..., str]:
    from faster_whisper import WhisperModel

    model = WhisperModel(str(base), device="cpu", compute_type="float32", cpu_threads=1)

    def text(waveform: np.ndarray, **guarding: Any) -> str:
        segments, _ = model.transcribe(
            waveform,
            language="hi",
            task="transcribe",
            beam_size=1,
            temperature=0,
            without_timestamps=True,
            condition_on_previous_text=False,
            compression_ratio_threshold=None,
            **guarding,
        )
        return " ".join(transcript_text(" ".join(segment.text for segment in segments)).split())

    return text


def waveform_of(clip: Path) -> np.ndarray:
    with open_audio(clip, RATE) as audio:
        return np.concatenate(list(audio), axis=1)[0]


def text_of(recogniser: WhisperRecogniser, waveform: np.ndarray) -> str:
    (emission,) = recogniser.emissions([waveform])
    return " ".join(emission.heard.texts)


@pytest.fixture
def without_guards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "is_silence", lambda *_: False)
    monkeypatch.setattr(guards, "is_repetitive", lambda _: False)
    monkeypatch.setattr(guards, "without_loops", lambda texts: np.ones(len(texts), bool))
    monkeypatch.setattr(guards, "most_tokens", lambda _: MOST)


@pytest.mark.usefixtures("without_guards")
def test_the_texts_are_those_of_faster_whisper(
    like_faster_whisper: Path, faster_whisper: Callable[..., str]
) -> None:
    recogniser = WHISPER.load(ModelFolder.load(like_faster_whisper), 1, "float32", "cpu")
    assert CLIPS
    for clip in CLIPS:
        waveform = waveform_of(clip)
        expected = faster_whisper(waveform, no_speech_threshold=None, log_prob_threshold=None)
        assert expected
        assert text_of(recogniser, waveform) == expected


def test_noise_and_silence_give_no_words(base: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0.0, 0.02, 3 * RATE).astype(np.float32)
    path = write_wav(tmp_path / "a.wav", np.concatenate([np.zeros(2 * RATE, np.float32), noise]))
    with Engine.load(base, precision="int8").transcribe(path) as transcription:
        assert not list(transcription.segments())


def test_as_many_tokens_as_were_allowed_are_written(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recogniser = WHISPER.load(ModelFolder.load(base), 1, "int8", "cpu")
    waveform = waveform_of(CLIPS[0])
    (whole,) = recogniser._hear([waveform])
    assert whole.tokens.sum() > 8
    encoded = recogniser._model.encode(recogniser._as_storage(recogniser._log_mel(waveform)[None]))
    (result,) = recogniser._generate(encoded, 1, 8, 0)
    assert len(result.sequences_ids[0]) == 8


def test_words_have_times_within_the_clip(base: Path) -> None:
    engine = Engine.load(base, precision="int8")
    with engine.transcribe(CLIPS[0]) as transcription:
        (segment, *_) = list(transcription.segments())
    assert segment.words
    end = 0.0
    for word in segment.words:
        assert end <= word.start < word.end
        assert 0.0 < (word.confidence or 0.0) <= 1.0
        end = word.end
    assert end <= len(waveform_of(CLIPS[0])) / RATE + 0.1
