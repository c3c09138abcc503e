"""A small recording in every format, with words that the model of the tests hears."""

from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

from tests.speech.media import amr_wb, encode
from tests.speech.sounds import RATE, silence, speak

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "400000"}


class Seed(NamedTuple):
    """A recording that is in order. ``tagged``: players put ID3 tags before and behind this format."""

    name: str
    content: bytes
    tagged: bool = False


def _samples(rate: int, channels: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Shape (channels, samples)."""
    mono = np.concatenate([silence(0.3), speak("नमस्ते नमन"), silence(0.3)])
    resampled = mono if rate == RATE else soxr.resample(mono, RATE, rate)
    return np.stack([np.clip(resampled, -1, 1)] * channels).astype(np.float32)


def _libsndfile(container: str, subtype: str, rate: int = RATE, channels: int = 1) -> bytes:
    file = BytesIO()
    soundfile.write(file, _samples(rate, channels).T, rate, format=container, subtype=subtype)
    return file.getvalue()


def _ffmpeg(container: str, codec: str, rate: int = RATE, channels: int = 1, **options: object) -> bytes:
    return encode(container, codec, _samples(rate, channels), rate, **options)  # type: ignore[arg-type]


SEEDS: dict[str, Callable[[], bytes]] = {
    "wav": lambda: _libsndfile("WAV", "PCM_16"),
    "wav float": lambda: _libsndfile("WAV", "FLOAT", channels=2),
    "wav mu-law": lambda: _libsndfile("WAV", "ULAW", 8_000),
    "wav adpcm": lambda: _libsndfile("WAV", "MS_ADPCM"),
    "wav g722": lambda: _ffmpeg("wav", "g722"),
    "w64": lambda: _libsndfile("W64", "PCM_24"),
    "rf64": lambda: _libsndfile("RF64", "PCM_16"),
    "aiff": lambda: _libsndfile("AIFF", "PCM_16"),
    "caf": lambda: _libsndfile("CAF", "PCM_16"),
    "caf alac": lambda: _ffmpeg("caf", "alac"),
    "au": lambda: _libsndfile("AU", "ULAW"),
    "flac": lambda: _libsndfile("FLAC", "PCM_16"),
    "ogg flac": lambda: _ffmpeg("ogg", "flac"),
    "ogg opus": lambda: _libsndfile("OGG", "OPUS"),
    "ogg vorbis": lambda: _libsndfile("OGG", "VORBIS"),
    "mp3": lambda: _libsndfile("MP3", "MPEG_LAYER_III"),
    "aac": lambda: _ffmpeg("adts", "aac"),
    "latm": lambda: _ffmpeg("latm", "aac"),
    "m4a": lambda: _ffmpeg("ipod", "aac", channels=2),
    "mp4 faststart": lambda: _ffmpeg("mp4", "aac", options={"movflags": "faststart"}),
    "mp4 fragments": lambda: _ffmpeg("mp4", "aac", options=FRAGMENTED),
    "mp4 video": lambda: _ffmpeg("mp4", "aac", 48_000, video=True),
    "mov alac": lambda: _ffmpeg("mov", "alac"),
    "mov pcm": lambda: _ffmpeg("mov", "pcm_s16be"),
    "3gp amr": lambda: _ffmpeg("3gp", "libopencore_amrnb", 8_000),
    "amr": lambda: _ffmpeg("amr", "libopencore_amrnb", 8_000),
    "amr dtx": lambda: _ffmpeg("amr", "libopencore_amrnb", 8_000, codec_options={"dtx": "1"}),
    "amr-wb": lambda: amr_wb(80),
    "webm": lambda: _ffmpeg("webm", "libopus", 48_000),
    "webm live": lambda: _ffmpeg("webm", "libopus", 48_000, options={"live": "1"}),
    "mkv flac": lambda: _ffmpeg("matroska", "flac"),
    "mkv video": lambda: _ffmpeg("matroska", "libopus", 48_000, video=True),
    "wma": lambda: _ffmpeg("asf", "wmav2"),
    "avi": lambda: _ffmpeg("avi", "libmp3lame", video=True),
    "flv": lambda: _ffmpeg("flv", "aac", 44_100),
    "mpegts": lambda: _ffmpeg("mpegts", "aac"),
    "mpeg": lambda: _ffmpeg("mpeg", "mp2", 48_000),
    "ac3": lambda: _ffmpeg("ac3", "ac3", 48_000),
    "wavpack": lambda: _ffmpeg("wv", "wavpack"),
    "tta": lambda: _ffmpeg("tta", "tta"),
}
TAGGED = frozenset({"mp3", "aac"})


def make_seeds() -> list[Seed]:
    """All of them."""
    return [Seed(name, make(), name in TAGGED) for name, make in SEEDS.items()]
