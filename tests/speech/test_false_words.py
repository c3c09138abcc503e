"""The shipped model writes nothing for sounds without speech, and all that is said."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from shrutlekh_contract.decoders import DECODERS
from shrutlekh_contract.options import RecognitionOptions

from benchmarks.nonspeech import GENERATED_HELD_OUT, telephone
from benchmarks.sounds import RATE, Samples, band, levelled
from speech import Engine
from speech.audio import open_audio
from speech.decoding import Plausibility
from tests.conftest import MODEL, ROOT, missing

pytestmark = pytest.mark.parametrize("decoder", DECODERS)


@pytest.fixture(scope="module")
def engine() -> Engine:
    """The shipped model without its voice detector, which would stop most of these sounds."""
    engine = Engine.load(ROOT / "models" / MODEL)
    engine.detector = None
    return engine


def text(engine: Engine, path: Path, decoder: str) -> str:
    transcription = engine.transcribe(path, options=RecognitionOptions(decoder=decoder))
    return " ".join(segment.text for segment in transcription.segments())


def text_of(engine: Engine, samples: Samples, decoder: str, folder: Path) -> str:
    path = folder / "sound.wav"
    soundfile.write(path, np.clip(samples, -1.0, 1.0), RATE, subtype="PCM_24")
    return text(engine, path, decoder)


@pytest.mark.parametrize("gain_db", [0, 8, 16])
def test_music(engine: Engine, speech_dir: Path, tmp_path: Path, decoder: str, gain_db: int) -> None:
    path = speech_dir.parent / "cases" / "music.flac"
    if not path.is_file():
        missing(f"{path}")
    with open_audio(path, RATE) as audio:
        samples = np.concatenate(list(audio), axis=1)[0]
    assert text_of(engine, samples * 10 ** (gain_db / 20), decoder, tmp_path) == ""


@pytest.mark.parametrize("kind", ["sung vowels, others", "choir", "room tone"])
def test_a_singing_tone_and_noise(engine: Engine, tmp_path: Path, decoder: str, kind: str) -> None:
    sound = levelled(GENERATED_HELD_OUT[kind](40.0, 1))
    assert text_of(engine, sound, decoder, tmp_path) == ""


def test_a_band_and_the_tones_of_a_telephone(engine: Engine, tmp_path: Path, decoder: str) -> None:
    sound = np.concatenate([band(20.0, 2), levelled(telephone(20.0, 2))])
    assert text_of(engine, sound, decoder, tmp_path) == ""


@pytest.mark.parametrize("name", ["garden", "library", "namaste", "rain", "train"])
def test_a_sentence_keeps_all_its_words(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, decoder: str, name: str
) -> None:
    path = ROOT / "samples" / f"{name}.wav"
    written = text(engine, path, decoder)
    monkeypatch.setattr(engine.decoder_named(decoder), "plausibility", Plausibility(repeated=0.0))
    assert written == text(engine, path, decoder) != ""


def test_a_segment_says_how_probable_its_tokens_are(engine: Engine, decoder: str) -> None:
    path = ROOT / "samples" / "namaste.wav"
    (segment,) = engine.transcribe(path, options=RecognitionOptions(decoder=decoder)).segments()
    assert segment.avg_logprob is not None
    assert -1.0 < segment.avg_logprob < 0.0
