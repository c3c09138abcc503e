import contextlib
import errno
import io
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speech import AudioTooLong, AudioUnreadable, AudioUnsupported, SpeechError
from speech.audio import MAX_CHANNELS, open_audio
from tests.speech.sounds import RATE, Samples, silence, wav_bytes, write_wav


def read(path: Path, rate: int = RATE, max_seconds: float | None = None) -> Samples:
    with open_audio(path, rate, max_seconds) as audio:
        blocks = list(audio)
    assert all(block.dtype == np.float32 and block.ndim == 2 and block.size for block in blocks)
    return np.concatenate([silence(0)[None], *blocks], axis=1)[0]


def tone(seconds: float, rate: int, hertz: float = 440.0) -> npt.NDArray[np.float64]:
    return 0.4 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_equals_librosa(tmp_path: Path, rate: int, channels: int) -> None:
    rng = np.random.default_rng(rate + channels)
    samples = np.stack([tone(1.3, rate, 200.0 * (i + 1)) for i in range(channels)], axis=1)
    samples += rng.normal(0, 0.01, samples.shape)
    path = write_wav(tmp_path / "a.wav", samples)
    soundfile.write(path, samples, rate, subtype="FLOAT")
    expected, _ = librosa.load(path, sr=RATE, mono=True, res_type="soxr_hq")
    found = read(path)
    assert abs(len(found) - len(expected)) <= 1
    length = min(len(found), len(expected))
    np.testing.assert_allclose(found[:length], expected[:length], atol=2e-5)


@pytest.mark.parametrize(
    ("container", "subtype", "tolerance"),
    [
        ("WAV", "PCM_U8", 0.01),
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_32", 1e-6),
        ("WAV", "FLOAT", 1e-6),
        ("WAV", "DOUBLE", 1e-6),
        ("WAV", "ULAW", 0.02),
        ("WAVEX", "PCM_24", 1e-6),
        ("RF64", "PCM_16", 1e-4),
        ("W64", "PCM_16", 1e-4),
        ("AIFF", "PCM_16", 1e-4),
        ("CAF", "PCM_16", 1e-4),
        ("AU", "PCM_16", 1e-4),
        ("FLAC", "PCM_16", 1e-4),
        ("OGG", "VORBIS", 0.05),
        ("OGG", "OPUS", 0.05),
        ("MP3", "MPEG_LAYER_III", 0.05),
    ],
)
def test_every_format_by_its_content(tmp_path: Path, container: str, subtype: str, tolerance: float) -> None:
    samples = tone(1.0, RATE)
    path = tmp_path / "recording.bin"
    soundfile.write(path, samples, RATE, format=container, subtype=subtype)
    with open_audio(path, RATE) as audio:
        assert (audio.source_rate, audio.channels) == (48_000 if subtype == "OPUS" else RATE, 1)
        assert audio.progress <= 1.0
        found = np.concatenate(list(audio), axis=1)[0]
        assert audio.progress == 1.0
        assert audio.decoded_seconds == len(found) / RATE
    assert abs(len(found) - len(samples)) <= 1200
    inner = slice(2000, 13_000)
    np.testing.assert_allclose(found[inner], samples[inner], atol=tolerance)


def test_real_mp3_equals_soundfile(clips: list[Path]) -> None:
    for clip in clips[:5]:
        samples, rate = soundfile.read(clip, dtype="float32")
        expected = librosa.resample(samples, orig_sr=rate, target_sr=RATE, res_type="soxr_hq")
        found = read(clip)
        assert abs(len(found) - len(expected)) <= 1
        length = min(len(found), len(expected))
        np.testing.assert_allclose(found[:length], expected[:length], atol=1e-4)


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_blocks_join_without_a_seam(tmp_path: Path, rate: int) -> None:
    samples = tone(9.0, rate)
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, rate, subtype="FLOAT")
    with open_audio(path, RATE) as audio:
        blocks = list(audio)
    assert len(blocks) > 2
    expected = tone(9.0, RATE)
    np.testing.assert_allclose(np.concatenate(blocks, axis=1)[0, 1000:-1000], expected[1000:-1000], atol=1e-4)


def test_a_reader_is_read_once_and_closed_twice(tmp_path: Path) -> None:
    with open_audio(write_wav(tmp_path / "a.wav", silence(1)), RATE) as audio:
        assert sum(block.shape[1] for block in audio) == RATE
        assert list(audio) == []
    audio.close()
    assert list(audio) == []


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    good = write_wav(tmp_path / "good.wav", silence(1))
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        read(good)
        with pytest.raises(AudioUnreadable):
            read(bad)
        open_audio(good, RATE).close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


PCM = (np.sin(np.arange(RATE) / 10) * 20_000).astype("<i2").tobytes()


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        pytest.param(wav_bytes(b""), 0.0, id="no samples"),
        pytest.param(wav_bytes(PCM[:2]), 1 / RATE, id="one sample"),
        pytest.param(wav_bytes(PCM, data_length=2**31), 1.0, id="header claims two gigabytes"),
        pytest.param(wav_bytes(PCM, data_length=2**32 - 1), 1.0, id="header of an unbounded stream"),
        pytest.param(wav_bytes(PCM[:20_001]), 0.625, id="cut within a sample"),
        pytest.param(wav_bytes(PCM, data_length=1000), 1.0, id="header claims less"),
        pytest.param(wav_bytes(b"", data_length=0) + bytes(600), 0.0, id="no samples, some metadata"),
        pytest.param(wav_bytes(PCM, data_length=0), 1.0, id="recorder that never wrote the length"),
    ],
)
def test_wav_headers_that_lie(tmp_path: Path, content: bytes, seconds: float) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert len(read(path)) == round(seconds * RATE)


@pytest.mark.parametrize("channels", [200, MAX_CHANNELS])
def test_many_channels(tmp_path: Path, channels: int) -> None:
    left_out = np.zeros((2000, channels), "<i2")
    left_out[:, 0] = 10_000
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(left_out.tobytes(), channels=channels))
    with open_audio(path, RATE) as audio:
        blocks = list(audio)
    assert max(block.shape[1] for block in blocks) * channels <= 65_536
    np.testing.assert_allclose(
        np.concatenate(blocks, axis=1)[0], np.full(2000, 10_000 / 32_768 / channels), rtol=1e-5
    )


def hostile(content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "recording.wav").write_bytes(content)
        return folder / "recording.wav"

    return make


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.wav")
    return folder / "pipe.wav"


def floats(*values: float) -> bytes:
    return wav_bytes(np.array(values, "<f4").tobytes(), bits=32, encoding=3)


def mat_file(folder: Path) -> Path:
    soundfile.write(folder / "a.mat", tone(0.1, RATE), RATE, format="MAT5", subtype="DOUBLE")
    return folder / "a.mat"


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        pytest.param(hostile(b""), AudioUnreadable, "zero bytes", id="empty file"),
        pytest.param(hostile(b"R"), AudioUnreadable, "not be read", id="one byte"),
        pytest.param(hostile(b"These are words. " * 99), AudioUnreadable, "not be read", id="text"),
        pytest.param(hostile(bytes(99_999)), AudioUnreadable, "not be read", id="zeros"),
        pytest.param(hostile(b"\xff" * 99_999), AudioUnreadable, "not be read", id="ones"),
        pytest.param(hostile(b"RIFF\0\0\0\0WAVE"), AudioUnreadable, "not be read", id="only RIFF"),
        pytest.param(hostile(wav_bytes(PCM, channels=0)), AudioUnreadable, "not be read", id="no channel"),
        pytest.param(hostile(wav_bytes(PCM, bits=0)), AudioUnreadable, "not be read", id="no bits"),
        pytest.param(
            hostile(wav_bytes(PCM, channels=1025)), AudioUnsupported, "channels", id="1025 channels"
        ),
        pytest.param(
            hostile(wav_bytes(PCM, channels=65_535)), AudioUnsupported, "channels", id="65535 channels"
        ),
        pytest.param(hostile(wav_bytes(PCM, rate=0)), AudioUnreadable, "not be read", id="0 Hz"),
        pytest.param(hostile(wav_bytes(PCM, rate=1)), AudioUnsupported, "1 Hz", id="1 Hz"),
        pytest.param(hostile(wav_bytes(PCM, rate=10**7)), AudioUnsupported, "10000000 Hz", id="10 MHz"),
        pytest.param(hostile(floats(*[float("nan")] * 9)), AudioUnreadable, "not numbers", id="NaN"),
        pytest.param(
            hostile(floats(float("-inf"), float("inf"))), AudioUnreadable, "not numbers", id="infinity"
        ),
        pytest.param(hostile(floats(0.1, 20_000)), AudioUnsupported, "full scale", id="integers in floats"),
        pytest.param(mat_file, AudioUnsupported, "MAT5", id="another format"),
        pytest.param(lambda folder: folder, AudioUnreadable, "directory", id="directory"),
        pytest.param(fifo, AudioUnreadable, "device", id="pipe"),
        pytest.param(lambda folder: folder / "absent.wav", AudioUnreadable, "no such file", id="absent"),
        pytest.param(lambda folder: folder / "a\0b", AudioUnreadable, "null", id="no path"),
    ],
)
def test_hostile_files(
    tmp_path: Path, make: Callable[[Path], Path], error: type[SpeechError], says: str
) -> None:
    with pytest.raises(error) as caught:
        read(make(tmp_path))
    assert says in caught.value.message
    assert caught.value.message.endswith((".", "!"))
    assert caught.value.code == error.code


def test_the_machines_fault_is_no_fault_of_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_descriptor_left(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    path = write_wav(tmp_path / "a.wav", silence(1))
    monkeypatch.setattr(os, "open", no_descriptor_left)
    with pytest.raises(OSError, match="Too many open files"):
        open_audio(path, RATE)


def test_a_little_over_full_scale_is_clipped(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(floats(0.5, 1.5, -3.0))
    np.testing.assert_array_equal(read(path), np.array([0.5, 1.0, -1.0], np.float32))


@pytest.mark.parametrize(("rate", "seconds"), [(1000, 2.0), (400_000, 0.1), (48_001, 1.0)])
def test_odd_rates(tmp_path: Path, rate: int, seconds: float) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes((tone(seconds, rate, 50.0) * 32_767).astype("<i2").tobytes(), rate=rate))
    found = read(path)
    assert abs(len(found) - seconds * RATE) <= 1
    np.testing.assert_allclose(found[600:-600], tone(seconds, RATE, 50.0)[600 : len(found) - 600], atol=0.01)


def test_too_long_by_the_header_and_by_the_samples(tmp_path: Path, clips: list[Path]) -> None:
    path = write_wav(tmp_path / "a.wav", silence(3))
    assert len(read(path, max_seconds=3.0)) == 3 * RATE
    with pytest.raises(AudioTooLong, match=r"longer than the 2\.5 s"):
        open_audio(path, RATE, max_seconds=2.5)
    audio = open_audio(clips[0], RATE, max_seconds=2.5)  # an MP3 header is an estimate
    with audio, pytest.raises(AudioTooLong):
        list(audio)
    assert audio.decoded_seconds < 5.0


def test_mp3_tags_are_no_damage(tmp_path: Path, clips: list[Path]) -> None:
    content = clips[0].read_bytes()
    expected = read(clips[0])
    path = tmp_path / "a.mp3"
    for tagged in (content + b"TAG" + bytes(125), b"ID3\x03\0\0\0\0\x10\0" + bytes(2048) + content):
        path.write_bytes(tagged)
        np.testing.assert_array_equal(read(path), expected)


def samples_of_each_format() -> dict[str, bytes]:
    found = {}
    for container in ("WAV", "FLAC", "OGG", "MP3", "AIFF", "CAF", "AU", "W64", "RF64"):
        file = io.BytesIO()
        soundfile.write(file, tone(0.5, RATE), RATE, format=container)
        found[container] = file.getvalue()
    return found


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    container=st.sampled_from(["WAV", "FLAC", "OGG", "MP3", "AIFF", "CAF", "AU", "W64", "RF64"]),
    cut=st.floats(0.0, 1.0),
    changes=st.lists(st.tuples(st.floats(0.0, 0.999), st.integers(0, 255)), max_size=12),
    header=st.lists(st.tuples(st.integers(0, 63), st.integers(0, 255)), max_size=4),
)
def test_mutated_files_give_samples_or_a_coded_error(
    tmp_path: Path,
    container: str,
    cut: float,
    changes: list[tuple[float, int]],
    header: list[tuple[int, int]],
) -> None:
    content = bytearray(FORMATS[container])
    for place, value in changes:
        content[int(place * len(content))] = value
    for index, value in header:
        content[index] = value
    path = tmp_path / "a"
    path.write_bytes(content[: int((1.0 - cut / 2) * len(content))])
    with contextlib.suppress(SpeechError):
        found = read(path, max_seconds=600.0)
        assert np.isfinite(found).all()
        assert np.abs(found).max(initial=0.0) <= 1.0


FORMATS = samples_of_each_format()


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    def peak(seconds: int) -> int:
        path = write_wav(tmp_path / "a.wav", np.zeros(seconds * 8000, np.float32), 8000)
        tracemalloc.start()
        with open_audio(path, RATE) as audio:
            assert sum(block.shape[1] for block in audio) == seconds * RATE
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(600) < peak(60) + 100_000 < 4_000_000
