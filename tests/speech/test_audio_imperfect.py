"""Damaged, truncated and joined recordings, and headers that lie: all that can be heard is read, and told."""

import io
import random
import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from shrutlekh_contract.audio_warnings import AudioWarning
from shrutlekh_contract.options import Channels

from speech import AudioUnreadable, AudioUnsupported
from speech.audio import open_audio
from tests.speech.imperfect import (
    CHECKED,
    FORMATS,
    PARTS,
    PLACES,
    SECONDS,
    Format,
    damaged,
    joined,
    steps,
    truncated,
)
from tests.speech.media import encode, id3
from tests.speech.sounds import RATE, Samples, wav_bytes

Found = tuple[Samples, dict[str, AudioWarning]]


def read(content: bytes, folder: Path, channels: Channels = Channels.MIX) -> Found:
    """Samples of shape (tracks, samples), and the warnings by code."""
    path = folder / "recording"
    path.write_bytes(content)
    with open_audio(path, RATE, channels=channels) as audio:
        blocks = [np.zeros((audio.tracks, 0), np.float32), *audio]
        assert audio.progress == 1.0
        warnings = audio.warnings
    assert len({warning.code for warning in warnings}) == len(warnings)
    return np.concatenate(blocks, axis=1), {warning.code.value: warning for warning in warnings}


def assert_in_place(found: Samples, seconds: Iterable[int], first: int = 0) -> None:
    for second in seconds:
        middle = found[0, round((second + 0.2) * RATE) : round((second + 0.8) * RATE)]
        assert len(middle) > 0.5 * RATE, f"second {second} is missing"
        spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
        heard = np.fft.rfftfreq(len(middle), 1 / RATE)[int(spectrum.argmax())]
        assert heard == pytest.approx(400 + 100 * (first + second), abs=5), f"second {second}"


def encoded(container: str, codec: str, samples: Samples, rate: int) -> bytes:
    return Format(container, codec, rate).of(samples)


@pytest.mark.parametrize("form", FORMATS, ids=str)
class TestEveryFormat:
    @pytest.fixture
    def whole(self, form: Format) -> bytes:
        return form.of(steps(SECONDS, form.rate))

    def test_an_intact_recording_has_no_warning(self, whole: bytes, tmp_path: Path) -> None:
        found, warnings = read(whole, tmp_path)
        assert not warnings
        assert_in_place(found, range(SECONDS))

    @pytest.mark.parametrize("place", PLACES)
    def test_64_damaged_bytes_cost_little(
        self, whole: bytes, tmp_path: Path, form: Format, place: float
    ) -> None:
        found, warnings = read(damaged(whole, place), tmp_path)
        gaps = warnings["audio_gaps"].spans if "audio_gaps" in warnings else ()
        assert warnings or form not in CHECKED
        lost = {second for start, end in gaps for second in range(int(start - 0.25), int(end + 0.25) + 1)}
        near = {int(place * SECONDS) + shift for shift in (-1, 0, 1)}  # noise, where nothing is checked
        assert len(lost) <= (7 if form.container in ("matroska", "webm") else 4)  # up to the next cluster
        # Only damage at the end may shorten the recording.
        if place < 0.9:
            assert "audio_truncated" not in warnings
            assert found.shape[1] / RATE == pytest.approx(SECONDS, abs=0.35)
        assert_in_place(found, set(range(found.shape[1] // RATE)) - lost - near)
        assert found.shape[1] / RATE > 0.9 * SECONDS

    @pytest.mark.parametrize("part", PARTS)
    def test_a_truncated_recording_is_read_to_its_end(
        self, whole: bytes, tmp_path: Path, form: Format, part: float
    ) -> None:
        content = truncated(whole, part)
        if form.container == "mp4" and not form.options:
            with pytest.raises(AudioUnreadable, match="cut off or never finished"):
                read(content, tmp_path)
            return
        found, warnings = read(content, tmp_path)
        assert list(warnings) == ["audio_truncated"]
        seconds = found.shape[1] / RATE
        assert part * SECONDS - 2.6 < seconds < part * SECONDS + 0.7
        assert_in_place(found, range(int(seconds)))

    def test_joined_recordings_are_read_in_order(self, whole: bytes, tmp_path: Path, form: Format) -> None:
        found, warnings = read(joined(whole, form), tmp_path)
        assert not warnings
        assert found.shape[1] / RATE == pytest.approx(SECONDS + 6, abs=0.45)
        assert_in_place(found, range(SECONDS))
        late = (found.shape[1] / RATE - SECONDS - 6) / 2  # padding of each part
        assert_in_place(found[:, round((SECONDS + late) * RATE) :], range(3), 20)
        assert_in_place(found[:, -3 * RATE :], range(3), 30)


def test_a_variable_bit_rate_without_an_index(tmp_path: Path) -> None:
    """The length of such a file is only an estimate, from its first frames."""
    loud, quiet = steps(10, RATE), np.zeros(10 * RATE, np.float32)
    file = io.BytesIO()
    options = {"format": "MP3", "bitrate_mode": "VARIABLE", "compression_level": 0.3}
    with soundfile.SoundFile(file, "w", RATE, 1, **options) as sound:
        sound.write(np.concatenate((loud, quiet, steps(10, RATE, 20))))
    content = file.getvalue()
    found, warnings = read(content[content.find(content[:2], 4) :], tmp_path)
    assert not warnings
    assert found.shape[1] / RATE == pytest.approx(30, abs=0.15)
    assert_in_place(found, range(10))
    assert_in_place(found[:, round(20.05 * RATE) :], range(9), 20)


CODECS = {
    "flac": "flac",
    "mp3": "libmp3lame",
    "ogg": "flac",
    "matroska": "aac",
    "wav": "pcm_s16le",
    "asf": "wmav2",
    "ipod": "aac",
}


@pytest.mark.parametrize("container", CODECS)
def test_rate_and_channels_change_between_joined_recordings(tmp_path: Path, container: str) -> None:
    codec = CODECS[container]
    second = np.stack([steps(4, 16_000, 20)] * 2)
    parts = [(steps(4, 48_000), 48_000), (second, 16_000), (steps(4, 32_000), 32_000)]
    content = b"".join(encode(container, codec, samples, rate) for samples, rate in parts)
    found, warnings = read(content, tmp_path)
    assert not warnings
    assert found.shape[1] / RATE == pytest.approx(12, abs=0.35)
    assert_in_place(found, range(4))
    assert_in_place(found[:, -4 * RATE :], range(4))
    both, warnings = read(content, tmp_path, Channels.EACH)
    assert (len(both), list(warnings)) == (1, ["channels_changed"])


def flac_with_total(samples: Samples, total: int) -> bytes:
    content = bytearray(encoded("FLAC", "PCM_16", samples, RATE))
    content[21] = content[21] & 0xF0 | total >> 32
    content[22:26] = struct.pack(">I", total & 0xFFFF_FFFF)
    return bytes(content)


@pytest.mark.parametrize("total", [0, 1, 3 * RATE, 20 * RATE, 2**36 - 1])
def test_a_wrong_number_of_samples_in_flac(tmp_path: Path, total: int) -> None:
    found, warnings = read(flac_with_total(steps(6, RATE), total), tmp_path)
    assert found.shape[1] == 6 * RATE
    assert_in_place(found, range(6))
    assert list(warnings) == ([] if total == 0 else ["length_disagrees"])


@pytest.mark.parametrize("name", [b"Xing", b"Info"])
@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_a_wrong_number_of_frames_in_mp3(tmp_path: Path, name: bytes, factor: float) -> None:
    content = bytearray(encode("mp3", "libmp3lame", steps(6, RATE), RATE))
    place = max(content.find(b"Xing"), content.find(b"Info"))
    frames = int.from_bytes(content[place + 8 : place + 12], "big")
    content[place : place + 4] = name
    content[place + 8 : place + 12] = struct.pack(">I", round(factor * frames))
    found, warnings = read(bytes(content), tmp_path)
    assert found.shape[1] / RATE == pytest.approx(6, abs=0.2)
    assert list(warnings) == ["length_disagrees"]


@pytest.mark.parametrize(
    ("container", "subtype", "field", "width", "order"),
    [
        ("WAV", "PCM_16", b"data", 4, "little"),
        ("WAV", "FLOAT", b"data", 4, "little"),
        ("AIFF", "PCM_16", b"SSND", 4, "big"),
        ("AU", "PCM_16", b".snd\0\0\0\x18", 4, "big"),
        ("CAF", "PCM_16", b"data", 8, "big"),
        ("W64", "PCM_16", b"data\xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a", 8, "little"),
    ],
)
@pytest.mark.parametrize("factor", [0.01, 0.5, 1.5, 0.0])
def test_a_wrong_length_in_files_of_plain_samples(
    tmp_path: Path, container: str, subtype: str, field: bytes, width: int, order: str, factor: float
) -> None:
    content = bytearray(encoded(container, subtype, steps(6, RATE), RATE))
    place = content.find(field) + len(field)
    size = int.from_bytes(content[place : place + width], order)  # type: ignore[arg-type]
    content[place : place + width] = (int(factor * size) // 4 * 4).to_bytes(width, order)  # type: ignore[arg-type]
    found, warnings = read(bytes(content), tmp_path)
    assert found.shape[1] == pytest.approx(6 * RATE, abs=64)
    assert_in_place(found, range(6))
    assert list(warnings) == (["audio_truncated"] if factor > 1 else ["length_disagrees"])


def test_a_recorder_that_wrote_to_a_pipe_knows_no_length(tmp_path: Path) -> None:
    whole = encoded("WAV", "PCM_16", steps(4, RATE), RATE)
    piped = whole[:4] + b"\xff" * 4 + whole[8:40] + b"\xff" * 4 + whole[44:]
    found, warnings = read(piped + encoded("WAV", "PCM_16", steps(4, 8_000, 20), 8_000), tmp_path)
    assert not warnings
    assert_in_place(found, range(4))
    assert_in_place(found[:, 4 * RATE :], range(4), 20)


def test_what_follows_the_samples_is_no_sound(tmp_path: Path) -> None:
    whole = encoded("WAV", "PCM_16", steps(3, RATE), RATE)
    for rest in (b"LIST" + struct.pack("<I", 20_000) + bytes(20_000), bytes(50_000), id3(9_000), b"x" * 99):
        found, warnings = read(whole + rest, tmp_path)
        assert (found.shape[1], warnings) == (3 * RATE, {})


def test_joined_with_tags_and_pictures(tmp_path: Path) -> None:
    one, two = (encode("mp3", "libmp3lame", steps(4, 44_100, first), 44_100) for first in (0, 20))
    for content in (
        id3(200_000) + one + b"TAG" + bytes(125) + id3(300_000) + two,
        one + b"TAG" + bytes(125) + two,
    ):
        found, warnings = read(content, tmp_path)
        assert not warnings
        assert_in_place(found, range(4))
        assert_in_place(found[:, -4 * RATE :], range(4), 20)


def test_a_link_that_cannot_be_read_is_a_gap(tmp_path: Path) -> None:
    one, two = (encoded("FLAC", "PCM_16", steps(4, RATE, first), RATE) for first in (0, 20))
    broken = two[:42] + random.Random(0).randbytes(3_000)
    for content, first in ((one + broken + two, 0), (broken + one, 0)):
        found, warnings = read(content, tmp_path)
        assert "audio_gaps" in warnings
        assert_in_place(found[:, : 4 * RATE], range(4), first)
    with pytest.raises(AudioUnreadable):
        read(broken + broken, tmp_path)


def float_wav(samples: Samples) -> bytes:
    return wav_bytes(samples.astype("<f4").tobytes(), bits=32, encoding=3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e30])
def test_values_that_are_no_samples_are_gaps(tmp_path: Path, value: float) -> None:
    samples = steps(6, RATE)
    samples[2 * RATE : 2 * RATE + 1600] = value
    samples[-5:] = value
    found, warnings = read(float_wav(samples), tmp_path)
    assert found.shape[1] == 6 * RATE
    assert_in_place(found, [0, 1, 3, 4, 5])
    assert warnings["audio_gaps"].spans == ((2.0, 2.1), (6.0 - 5 / RATE, 6.0))
    with pytest.raises(AudioUnsupported, match="full scale"):
        read(float_wav(samples * 32_768), tmp_path)


def test_a_little_speech_before_much_noise_is_read(tmp_path: Path) -> None:
    content = encode("mp3", "libmp3lame", steps(2, 44_100), 44_100)
    found, warnings = read(content + random.Random(0).randbytes(200_000), tmp_path)
    assert warnings
    assert_in_place(found, range(2))
    with pytest.raises(AudioUnreadable, match="hardly anything"):
        read(content[:2_000] + random.Random(0).randbytes(3_000_000), tmp_path)


def test_damage_everywhere_fails(tmp_path: Path) -> None:
    for container, codec in (("FLAC", "PCM_16"), ("mp3", "libmp3lame"), ("ogg", "libopus")):
        content = encoded(container, codec, steps(4, 48_000), 48_000)
        noise = random.Random(1).randbytes(len(content))
        with pytest.raises(AudioUnreadable):
            read(content[:60] + noise, tmp_path)
        with pytest.raises(AudioUnreadable):
            read(noise, tmp_path)


@pytest.mark.parametrize(("gain", "clipped"), [(0.3, False), (1.0, False), (3.0, True), (30.0, True)])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_U8", "ULAW", "FLOAT"])
def test_clipping_is_told(tmp_path: Path, gain: float, clipped: bool, subtype: str) -> None:
    samples = np.clip(gain * steps(4, RATE, level=0.9), -1, 1)
    assert ("audio_clipped" in read(encoded("WAV", subtype, samples, RATE), tmp_path)[1]) is clipped


def test_identical_channels_are_told_if_each_is_transcribed(tmp_path: Path) -> None:
    one, other = steps(3, RATE), steps(3, RATE, 20)
    for channels, pairs in (([one, one], "1 and 2"), ([one, other, 0.999 * one], "1 and 3")):
        content = encoded("WAV", "PCM_16", np.stack(channels), RATE)
        assert pairs in read(content, tmp_path, Channels.EACH)[1]["channels_identical"].message
        assert not read(content, tmp_path)[1]
    for apart in (np.stack([one, other]), np.stack([one, 0 * one]), np.zeros((2, RATE)), one):
        assert not read(encoded("WAV", "PCM_16", apart, RATE), tmp_path, Channels.EACH)[1]


def test_a_quiet_recording_is_told_and_silence_is_not(tmp_path: Path) -> None:
    assert list(read(float_wav(steps(3, RATE) * 1e-3), tmp_path)[1]) == ["audio_quiet"]
    for content in (steps(3, RATE) * 0.1, np.zeros(RATE), np.zeros(0)):
        assert not read(float_wav(content), tmp_path)[1]
    beside = np.concatenate((steps(3, RATE), steps(30, RATE) * 1e-3))
    assert not read(float_wav(beside), tmp_path)[1]


def test_many_gaps_are_listed_up_to_a_limit(tmp_path: Path) -> None:
    samples = steps(60, RATE)
    for place in range(120):
        samples[place * RATE // 2 + 100] = np.nan
    _, warnings = read(float_wav(samples), tmp_path)
    spans = warnings["audio_gaps"].spans
    assert len(spans) == 100
    assert spans[-1][1] == pytest.approx(59.5 + 101 / RATE)
