"""Decoding with FFmpeg: format detection, timing, and damaged recordings."""

import os
import shutil
import subprocess
from pathlib import Path

import av
import librosa
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from shrutlekh_contract.options import Channels

from speech import AudioTooLong, AudioUnreadable, AudioUnsupported
from speech.audio import open_audio
from tests.speech.media import amr_wb, encode, id3
from tests.speech.sounds import RATE, Samples

ONSET = 0.5
"""Seconds of silence before the tone."""


def tone(rate: int, channels: int = 1, seconds: float = 3.0) -> npt.NDArray[np.float64]:
    time = np.arange(round(seconds * rate)) / rate
    samples = 0.4 * np.sin(2 * np.pi * 440 * time) * (time >= ONSET)
    return np.stack([samples / (row + 1) for row in range(channels)])


def write(folder: Path, content: bytes) -> Path:
    path = folder / "recording"
    path.write_bytes(content)
    return path


def read(path: Path, channels: Channels = Channels.MIX, max_seconds: float | None = None) -> Samples:
    """Shape (tracks, samples) at 16 kHz."""
    with open_audio(path, RATE, max_seconds, channels) as audio:
        blocks = [np.zeros((audio.tracks, 0), np.float32), *audio]
        assert audio.progress == 1.0
    assert all(block.dtype == np.float32 for block in blocks)
    return np.concatenate(blocks, axis=1)


def onset(samples: Samples) -> float:
    return float(np.flatnonzero(np.abs(samples) > 0.1)[0]) / RATE


FORMATS = [
    # container, codec, rate, by how much the codec is late (priming that the format does not count), length
    ("adts", "aac", 16_000, 0.064, 3.072),
    ("ipod", "aac", 44_100, 0.0, 3.02),
    ("mp4", "aac", 48_000, 0.0, 3.01),
    ("mov", "alac", 44_100, 0.0, 3.0),
    ("mov", "pcm_s24le", 48_000, 0.0, 3.0),
    ("3gp", "libopencore_amrnb", 8_000, 0.013, 3.01),
    ("amr", "libopencore_amrnb", 8_000, 0.018, 3.02),
    ("webm", "libopus", 48_000, 0.0, 3.0),
    ("matroska", "flac", 44_100, 0.0, 3.0),
    ("matroska", "ac3", 48_000, 0.005, 3.01),
    ("matroska", "pcm_f32le", 48_000, 0.0, 3.0),
    ("asf", "wmav1", 44_100, 0.046, 3.06),
    ("asf", "wmav2", 44_100, 0.046, 3.06),
    ("avi", "libmp3lame", 44_100, 0.025, 3.03),
    ("flv", "aac", 44_100, 0.023, 3.04),
    ("mpegts", "aac", 48_000, 0.021, 3.03),
    ("mpeg", "mp2", 48_000, 0.010, 3.0),
    ("latm", "aac", 48_000, 0.021, 3.03),
    ("ac3", "ac3", 48_000, 0.005, 3.01),
    ("eac3", "eac3", 48_000, 0.005, 3.01),
    ("ogg", "flac", 44_100, 0.0, 3.0),
    ("caf", "alac", 44_100, 0.0, 3.0),
    ("wav", "g722", 16_000, 0.002, 3.0),
    ("wav", "g726", 8_000, 0.001, 3.0),
    ("wav", "g723_1", 8_000, 0.008, 3.0),
    ("wv", "wavpack", 44_100, 0.0, 3.0),
    ("tta", "tta", 44_100, 0.0, 3.0),
]


@pytest.mark.parametrize(("container", "codec", "rate", "late", "seconds"), FORMATS)
def test_every_format_by_its_content(
    tmp_path: Path, container: str, codec: str, rate: int, late: float, seconds: float
) -> None:
    path = write(tmp_path, encode(container, codec, tone(rate), rate))
    with open_audio(path, RATE) as audio:
        assert (audio.source_rate, audio.channels, audio.tracks) == (rate, 1, 1)
        assert audio.progress < 1.0
    found = read(path)[0]
    assert abs(len(found) / RATE - seconds) < 0.02
    assert abs(onset(found) - ONSET - late) < 0.012
    middle = found[RATE : 2 * RATE]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(RATE)))
    assert abs(int(spectrum.argmax()) - 440) <= 1
    assert np.abs(middle).max() == pytest.approx(0.4, abs=0.2)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the oracle is the ffmpeg program")
@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    # Older versions cut two frames off the beginning of WMA, and do not skip the priming of AC-3 in Matroska.
    [row[:3] for row in FORMATS if row[0] != "asf" and row[:2] != ("matroska", "ac3")],
)
def test_equals_ffmpegs_own_decoding(tmp_path: Path, container: str, codec: str, rate: int) -> None:
    path = write(tmp_path, encode(container, codec, tone(rate), rate))
    decoded = tmp_path / "decoded.wav"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", path, "-map", "a:0", "-c:a", "pcm_f32le", decoded],
        check=True,
        timeout=60,
    )
    samples, _ = soundfile.read(decoded, dtype="float32")
    expected = librosa.resample(samples, orig_sr=rate, target_sr=RATE, res_type="soxr_hq")
    found = read(path)[0]
    assert (
        abs(len(found) - len(expected)) < 0.03 * RATE
    )  # versions differ in what they cut from the last frame
    length = min(len(found), len(expected)) - 1000
    assert np.corrcoef(found[:length], expected[:length])[0, 1] > 0.97  # a sample of 16 kHz aside: 0.985


def test_amr_wide_band(tmp_path: Path) -> None:
    found = read(write(tmp_path, amr_wb(100)))[0]
    assert len(found) == 2 * RATE
    assert np.abs(found).max() > 0.01


@pytest.mark.parametrize("container", ["amr", "3gp"])
def test_a_telephone_that_does_not_transmit_pauses(tmp_path: Path, container: str) -> None:
    """FFmpeg's own decoders cannot read such frames (DTX)."""
    samples = tone(8_000, seconds=6.0)
    samples[:, 16_000:32_000] = 0.0
    content = encode(container, "libopencore_amrnb", samples, 8_000, codec_options={"dtx": "1"})
    assert len(content) < 0.85 * len(encode(container, "libopencore_amrnb", samples, 8_000))
    found = read(write(tmp_path, content))[0]
    assert len(found) == pytest.approx(6 * RATE, rel=0.01)
    assert np.abs(found[4 * RATE + 1000 : 5 * RATE]).max() > 0.3


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_libsndfile_and_ffmpeg_agree(tmp_path: Path, rate: int) -> None:
    samples = np.random.default_rng(rate).normal(0, 0.1, (2, rate))
    ours = read(write(tmp_path, encode("matroska", "pcm_s16le", samples, rate)))
    theirs = read(write(tmp_path, encode("wav", "pcm_s16le", samples, rate)))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "libopus"), ("mpegts", "mp2")])
def test_a_track_that_begins_later_than_the_video(tmp_path: Path, container: str, codec: str) -> None:
    content = encode(container, codec, tone(48_000), 48_000, video=container != "mpegts", start=0.7)
    late = (
        0.0 if container == "mpegts" else 0.7
    )  # with nothing else in it the recording begins with its sound
    assert onset(read(write(tmp_path, content))[0]) == pytest.approx(ONSET + late, abs=0.015)


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("webm", "libopus", 48_000), ("mp4", "aac", 48_000), ("3gp", "libopencore_amrnb", 8_000)],
)
def test_missing_packets_are_silence(tmp_path: Path, container: str, codec: str, rate: int) -> None:
    whole = read(write(tmp_path, encode(container, codec, tone(rate), rate)))[0]
    found = read(write(tmp_path, encode(container, codec, tone(rate), rate, gaps={1.5: 0.4})))[0]
    assert len(found) - len(whole) == pytest.approx(0.4 * RATE, abs=0.01 * RATE)
    assert np.abs(found[int(1.6 * RATE) : int(1.85 * RATE)]).max() < 1e-4
    assert np.abs(found[int(2.0 * RATE) : int(2.1 * RATE)]).max() > 0.3


def test_browsers_recordings_have_no_length(tmp_path: Path) -> None:
    content = encode("webm", "libopus", tone(48_000), 48_000, options={"live": "1"})
    with open_audio(write(tmp_path, content), RATE) as audio:
        assert audio.seconds is None
        assert sum(block.shape[1] for block in audio) == 3 * RATE
    assert len(read(write(tmp_path, content[: len(content) // 2]))[0]) == pytest.approx(1.5 * RATE, rel=0.3)


def test_fragments_of_a_live_stream(tmp_path: Path) -> None:
    flags = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "500000"}
    content = encode("mp4", "aac", tone(48_000), 48_000, options=flags)
    assert len(read(write(tmp_path, content))[0]) == pytest.approx(3.03 * RATE, rel=0.01)


def test_video_is_ignored_and_silence_is_said_of_mute_video(tmp_path: Path) -> None:
    content = encode("matroska", "libopus", tone(48_000), 48_000, video=True)
    assert len(read(write(tmp_path, content))[0]) == 3 * RATE
    file = tmp_path / "mute.mp4"
    with av.open(str(file), "w") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(10):
            image = av.VideoFrame(64, 48, "yuv420p")
            image.pts = index
            output.mux(stream.encode(image))
        output.mux(stream.encode(None))
    with pytest.raises(AudioUnreadable, match="no sound"):
        read(file)


def test_of_several_tracks_the_default_one_is_heard(tmp_path: Path) -> None:
    file = tmp_path / "tracks.mkv"
    with av.open(str(file), "w", format="matroska") as output:
        streams = [output.add_stream("pcm_s16le", rate=RATE) for _ in range(3)]
        for number, stream in enumerate(streams):
            stream.codec_context.layout = "mono"
            stream.disposition = av.stream.Disposition.default if number == 1 else av.stream.Disposition(0)
        for number, stream in enumerate(streams):
            samples = np.full((1, RATE), 4000 * (number + 1), np.int16)
            frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
            frame.sample_rate, frame.pts = RATE, 0
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    found = read(file)
    assert found.shape == (1, RATE)
    np.testing.assert_allclose(found, 8000 / 32_768, atol=1e-4)


@pytest.mark.parametrize("channels", [2, 4, 6, 8])
@pytest.mark.parametrize(("container", "codec"), [("wv", "wavpack"), ("matroska", "pcm_s16le")])
def test_channels_one_by_one(tmp_path: Path, container: str, codec: str, channels: int) -> None:
    samples = np.stack([np.full(RATE, (row + 1) / 20) for row in range(channels)])
    path = write(tmp_path, encode(container, codec, samples, RATE))
    each = read(path, Channels.EACH)
    np.testing.assert_allclose(each, samples, atol=1e-4)
    np.testing.assert_allclose(read(path), samples.mean(axis=0, keepdims=True), atol=1e-4)


@pytest.mark.parametrize("container", ["mp4", "matroska", "asf"])
def test_the_length_limit(tmp_path: Path, container: str) -> None:
    codec = "wmav2" if container == "asf" else "aac"
    path = write(tmp_path, encode(container, codec, tone(48_000), 48_000))
    with pytest.raises(AudioTooLong):
        read(path, max_seconds=2.0)
    if container != "asf":  # which counts no samples
        with pytest.raises(AudioTooLong):
            open_audio(path, RATE, 2.0)
    assert read(path, max_seconds=3.1).shape[0] == 1


def test_tags_are_no_damage(tmp_path: Path) -> None:
    for container, codec in (("adts", "aac"), ("mp3", "libmp3lame")):
        content = encode(container, codec, tone(44_100), 44_100)
        expected = read(write(tmp_path, content))
        np.testing.assert_array_equal(read(write(tmp_path, id3(3_000_000) + content)), expected)
    content = encode("mp4", "aac", tone(44_100), 44_100, metadata={"title": "गीत"})
    broken = content.replace("गीत".encode(), b"\xff" * 9)
    assert content != broken
    assert read(write(tmp_path, broken)).shape[1] == pytest.approx(3.02 * RATE, rel=0.01)


def test_mp3_behind_something_else(tmp_path: Path) -> None:
    content = encode("mp3", "libmp3lame", tone(44_100), 44_100)
    assert onset(read(write(tmp_path, bytes(3000) + content))[0]) == pytest.approx(ONSET, abs=0.03)


def test_what_changes_in_the_middle(tmp_path: Path) -> None:
    """The format changes, as in a broadcast between programmes."""
    mono, stereo = (encode("adts", "aac", tone(16_000, channels), 16_000) for channels in (1, 2))
    path = write(tmp_path, mono + stereo)
    assert len(read(path)[0]) == pytest.approx(2 * 3.07 * RATE, rel=0.01)
    one = read(path, Channels.EACH)
    assert one.shape == (1, len(read(path)[0]))
    changed = read(write(tmp_path, mono + encode("adts", "aac", tone(44_100), 44_100)))[0]
    assert len(changed) == pytest.approx(2 * 3.06 * RATE, rel=0.01)
    second = changed[round(3.072 * RATE) :]
    assert np.abs(second[round(0.1 * RATE) : round(0.4 * RATE)]).max() < 0.01
    assert np.abs(second[round(0.7 * RATE) : 2 * RATE]).max() == pytest.approx(0.4, abs=0.1)


def test_unknown_codecs_and_protected_files_are_named(tmp_path: Path) -> None:
    content = encode("mp4", "aac", tone(44_100), 44_100)
    with pytest.raises(AudioUnsupported, match="DRM"):
        read(write(tmp_path, content.replace(b"mp4a", b"drms")))
    content = encode("matroska", "ac3", tone(48_000), 48_000)
    with pytest.raises(AudioUnsupported, match="unknown codec"):
        read(write(tmp_path, content.replace(b"A_AC3", b"A_AC9")))


OUTSIDE = {
    "playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{path}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile {path}\n",
    "session": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>file://{path}</BaseURL></MPD>',
    "subtitles": "1\n00:00:01,000 --> 00:00:02,000\n{path}\n",
}


@pytest.mark.parametrize("text", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_no_file_is_opened_but_the_one(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret.wav"
    soundfile.write(secret, tone(RATE)[0], RATE)
    path = write(tmp_path, text.format(path=secret).encode())
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(AudioUnreadable, match="not be read"):
        read(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


LONG = np.random.default_rng(0).normal(0, 0.1, 20 * 48_000)


def test_a_disk_that_fails_is_no_damaged_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, encode("adts", "aac", LONG, 48_000))
    audio = open_audio(path, RATE)

    def broken(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    with audio, pytest.raises(OSError, match="Input/output"):
        blocks = iter(audio)
        next(blocks)
        monkeypatch.setattr(os, "pread", broken)
        list(blocks)


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    import psutil

    process = psutil.Process()

    def grown(seconds: int) -> int:
        path = write(tmp_path, encode("adts", "aac", np.zeros(seconds * 8000), 8000))
        with open_audio(path, RATE) as audio:
            before = process.memory_info().rss
            assert sum(block.shape[1] for block in audio) > seconds * RATE
            return process.memory_info().rss - before

    grown(10)
    assert grown(900) < 12_000_000
