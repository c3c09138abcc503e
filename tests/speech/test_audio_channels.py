"""Mixing and separating the channels of a recording, with both readers."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from shrutlekh_contract.options import Channels, RecognitionOptions

from speech import AudioUnsupported, Engine
from speech.audio import MAX_TRACKS, open_audio
from tests.speech.media import encode
from tests.speech.sounds import RATE, Samples, speak, wav_bytes, write_wav

READERS = [("wav", "pcm_s16le"), ("matroska", "pcm_s16le")]


def write(folder: Path, container: str, codec: str, samples: npt.ArrayLike, rate: int = RATE) -> Path:
    path = folder / "recording"
    path.write_bytes(encode(container, codec, np.asarray(samples), rate))
    return path


def read(path: Path, channels: Channels) -> Samples:
    with open_audio(path, RATE, channels=channels) as audio:
        blocks = [np.zeros((audio.tracks, 0), np.float32), *audio]
    return np.concatenate(blocks, axis=1)


@pytest.mark.parametrize(("container", "codec"), READERS)
@pytest.mark.parametrize("rate", [RATE, 8_000])
def test_each_channel_is_a_track(tmp_path: Path, container: str, codec: str, rate: int) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, (2, 3 * rate))
    path = write(tmp_path, container, codec, samples, rate)
    each = read(path, Channels.EACH)
    for row in range(2):
        alone = read(write(tmp_path, container, codec, samples[row], rate), Channels.MIX)
        np.testing.assert_allclose(each[row : row + 1], alone, atol=1e-5)
    path = write(tmp_path, container, codec, samples, rate)
    np.testing.assert_allclose(read(path, Channels.MIX), each.mean(axis=0, keepdims=True), atol=1e-4)


@pytest.mark.parametrize(("container", "codec"), READERS)
def test_mono_has_one_track(tmp_path: Path, container: str, codec: str) -> None:
    path = write(tmp_path, container, codec, np.full(RATE, 0.25))
    with open_audio(path, RATE, channels=Channels.EACH) as audio:
        assert (audio.tracks, audio.mixes) == (1, False)
    np.testing.assert_array_equal(read(path, Channels.EACH), read(path, Channels.MIX))


def test_more_than_eight_channels_are_only_mixed(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    path.write_bytes(wav_bytes(bytes(2 * 9 * 1000), channels=MAX_TRACKS + 1))
    assert read(path, Channels.MIX).shape == (1, 1000)
    with pytest.raises(AudioUnsupported, match=r"9 channels, and at most 8"):
        open_audio(path, RATE, channels=Channels.EACH)


@pytest.mark.parametrize(("container", "codec"), [*READERS, ("ipod", "aac"), ("mp3", "libmp3lame")])
def test_a_channel_and_its_opposite_do_not_cancel_out(tmp_path: Path, container: str, codec: str) -> None:
    """Opposite phases, as from a balanced microphone in a stereo socket."""
    signal = 0.2 * np.sin(np.arange(3 * 48_000) / 20)
    one = read(write(tmp_path, container, codec, [signal, signal], 48_000), Channels.MIX)
    other = read(write(tmp_path, container, codec, [signal, -signal], 48_000), Channels.MIX)
    assert one.shape == other.shape
    middle = slice(RATE, 2 * RATE)
    np.testing.assert_allclose(other[0, middle], one[0, middle], atol=0.02)
    assert np.abs(one[0, middle]).max() == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("phase", [0.0, 0.5, 0.9])
def test_other_stereo_is_the_mean(tmp_path: Path, phase: float) -> None:
    time = np.arange(RATE) / 20
    samples = [0.2 * np.sin(time), 0.2 * np.sin(time + phase * np.pi)]
    found = read(write(tmp_path, "wav", "pcm_s16le", samples), Channels.MIX)
    np.testing.assert_allclose(found[0], np.mean(samples, axis=0), atol=1e-4)


def test_words_of_an_opposite_pair_and_of_each_channel(tmp_path: Path, model_path: Path) -> None:
    engine = Engine.load(model_path)
    said = speak("नमस्ते")
    path = write_wav(tmp_path / "a.wav", np.stack([said, -said], axis=1))
    with engine.transcribe(path) as transcription:
        assert [segment.text for segment in transcription.segments()] == ["नमस्ते"]
    with engine.transcribe(path, options=RecognitionOptions(channels=Channels.EACH)) as transcription:
        found = [(segment.channel, segment.text) for segment in transcription.segments()]
    assert found == [(1, "नमस्ते"), (2, "नमस्ते")]
