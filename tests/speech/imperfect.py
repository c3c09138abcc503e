"""Recordings in every format, damaged, truncated and joined. Run as a module, it prints a table.

They step to another tone every second, so that each second shows whether it is in its place.
"""

import io
import random
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import soundfile

from speech import SpeechError
from speech.audio import open_audio
from tests.speech.media import encode
from tests.speech.sounds import RATE, Samples

SECONDS: Final = 12
PLACES: Final = (0.15, 0.5, 0.96)
PARTS: Final = (0.4, 0.8)
DAMAGED_BYTES: Final = 64


class Format(NamedTuple):
    """A container and a codec of PyAV, or one with a subtype of libsndfile, at a sample rate."""

    container: str
    codec: str
    rate: int
    options: Mapping[str, str] = {}

    def __str__(self) -> str:
        return "-".join([self.container, self.codec, str(self.rate), *self.options])

    def of(self, samples: Samples) -> bytes:
        """Encode samples of shape (samples,) or (channels, samples)."""
        if not self.codec.isupper():
            return encode(self.container, self.codec, samples, self.rate, options=self.options)
        file = io.BytesIO()
        soundfile.write(file, samples.T, self.rate, format=self.container, subtype=self.codec)
        return file.getvalue()


PLAIN: Final = (
    Format("WAV", "PCM_16", 16_000),
    Format("WAV", "FLOAT", 16_000),
    Format("WAV", "IMA_ADPCM", 16_000),
    Format("RF64", "PCM_16", 16_000),
    Format("W64", "PCM_16", 16_000),
    Format("AIFF", "PCM_16", 16_000),
    Format("AU", "PCM_16", 16_000),
    Format("CAF", "PCM_16", 16_000),
)
CHECKED: Final = (
    Format("FLAC", "PCM_16", 22_050),
    Format("ogg", "flac", 44_100),
    Format("OGG", "VORBIS", 44_100),
    Format("ogg", "libopus", 48_000),
    Format("matroska", "flac", 44_100),
    Format("wv", "wavpack", 44_100),
    Format("tta", "tta", 44_100),
    Format("ac3", "ac3", 48_000),
)
"""Formats with checksums."""

UNCHECKED: Final = (
    Format("mp3", "libmp3lame", 44_100),
    Format("mp3", "libmp3lame", 16_000, {"write_xing": "0", "id3v2_version": "0"}),
    Format("adts", "aac", 44_100),
    Format("mp4", "aac", 44_100),
    Format("mp4", "aac", 44_100, {"movflags": "faststart"}),
    Format("mp4", "aac", 44_100, {"movflags": "frag_keyframe+empty_moov", "frag_duration": "1000000"}),
    Format("matroska", "aac", 44_100),
    Format("matroska", "libmp3lame", 44_100),
    Format("webm", "libopus", 48_000),
    Format("webm", "libopus", 48_000, {"live": "1"}),
    Format("asf", "wmav2", 44_100),
    Format("avi", "libmp3lame", 44_100),
    Format("flv", "aac", 44_100),
    Format("mpegts", "aac", 44_100),
    Format("amr", "libopencore_amrnb", 8_000),
    Format("latm", "aac", 44_100),
)
"""Formats where damage within a frame may be decoded as noise."""

FORMATS: Final = PLAIN + CHECKED + UNCHECKED


def steps(seconds: int, rate: int, first: int = 0, level: float = 0.3) -> Samples:
    """A tone of 400 Hz, 500 Hz and so on, for a second each; `first` steps are left out."""
    time = np.arange(seconds * rate) / rate
    tones = level * np.sin(2 * np.pi * (400 + 100 * (first + time.astype(int))) * time)
    # A little noise gives codecs frames of various sizes, as speech does.
    return (tones + np.random.default_rng(first).normal(0, 0.01, len(time))).astype(np.float32)


def damaged(whole: bytes, place: float) -> bytes:
    """Replace DAMAGED_BYTES by random ones, at a fraction of the file."""
    content = bytearray(whole)
    begin = round(place * len(content))
    content[begin : begin + DAMAGED_BYTES] = random.Random(place).randbytes(DAMAGED_BYTES)
    return bytes(content)


def truncated(whole: bytes, part: float) -> bytes:
    """The first part of a file, which ends within a frame."""
    return whole[: round(part * len(whole)) + 37]


def joined(whole: bytes, form: Format) -> bytes:
    """The file, three seconds in mono, and three in stereo where the codec allows it."""
    others = [steps(3, form.rate, 20), np.stack([steps(3, form.rate, 30)] * 2)]
    if form.container == "amr":
        others[1] = others[1][0]
    return whole + b"".join(form.of(samples) for samples in others)


def _cases(form: Format) -> Iterator[tuple[str, bytes, float]]:
    """Yield the kind of imperfection, the file, and its length in seconds."""
    whole = form.of(steps(SECONDS, form.rate))
    for place in PLACES:
        yield f"damaged at {place:.0%}", damaged(whole, place), SECONDS
    for part in PARTS:
        yield f"cut at {part:.0%}", truncated(whole, part), part * SECONDS
    yield "joined", joined(whole, form), SECONDS + 6


def _outcome(content: bytes, folder: Path) -> str:
    path = folder / "recording"
    path.write_bytes(content)
    try:
        with open_audio(path, RATE) as audio:
            for _ in audio:
                pass
            warnings = getattr(audio, "warnings", ())  # this also runs with versions that have none
            codes = ", ".join(str(warning.code.value).removeprefix("audio_") for warning in warnings)
            return f"{audio.decoded_seconds:.1f} {codes}".strip()
    except SpeechError:
        return "fails"


def main() -> None:
    """Print a row for each format: seconds read, and the warnings."""
    with tempfile.TemporaryDirectory() as folder:
        for number, form in enumerate(FORMATS):
            cases = list(_cases(form))
            if not number:
                print("| format |", " | ".join(f"{kind} ({length:.1f} s)" for kind, _, length in cases), "|")
                print("|---" * (len(cases) + 1) + "|")
            outcomes = (_outcome(content, Path(folder)) for _, content, _ in cases)
            print(f"| {form} |", " | ".join(outcomes), "|", flush=True)


if __name__ == "__main__":
    main()
