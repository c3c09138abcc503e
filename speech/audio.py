"""Recordings as blocks of samples at the model's rate, in memory that does not depend on their length.

libsndfile decodes (through soundfile) and libsoxr resamples; headers are never trusted for an allocation.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from speech.errors import AudioTooLong, AudioUnreadable, AudioUnsupported
from speech.options import Channels

Samples = npt.NDArray[np.float32]

FORMATS = frozenset({"WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3", "AIFF", "CAF", "AU"})
MIN_SOURCE_RATE = 1_000
MAX_SOURCE_RATE = 400_000
MAX_CHANNELS = 1024
"""What libsndfile opens."""

FULL_SCALE_LIMIT = 10.0
"""Floating-point samples up to here (20 dB over full scale) are clipped to ±1; beyond, the file is in other
units."""

_BLOCK_SAMPLES = 65_536
"""Samples in a source block over all channels: 256 KiB as float32."""

_UNFINISHED_WAV_BYTES = 8_192
"""More than this behind a data chunk of length zero is no metadata but audio whose recorder never wrote its
length."""

_UNDECODED_BYTES = 4_096
"""More than this behind the last MP3 frame or Ogg page is no tag but audio that the decoder gave up."""

_LOST_SECONDS = 0.1
"""An Ogg stream that is shorter by more than this than its pages count has lost some of them."""

_UNKNOWN_FRAMES = 1 << 62


class _Stream(soundfile.SoundFile):  # type: ignore[misc] # soundfile has no types
    """A SoundFile read from front to back.

    soundfile seeks to the current place after each read of a seekable file, which makes a lossy decoder
    decode twice and its output depend on the block size, and cuts reads at the header's frame count.
    """

    def seekable(self) -> bool:
        return False


class AudioReader:
    """Iterates once over float32 blocks of shape (tracks, samples), within ±1, at `sample_rate`.

    Attributes:
        mixes: a block has one row, the mean of the channels.
        tracks: rows of a block: one, or one for each channel.
        format: libsndfile's name, such as "WAV" or "MP3".
        source_rate: hertz of the file.
        channels: of the file.
        frames: samples per channel as the header has it, an estimate for MP3; None where it is unknown.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        sample_rate: int,
        max_seconds: float | None = None,
        channels: Channels = Channels.MIX,
    ) -> None:
        self.sample_rate = sample_rate
        self.mixes = channels is Channels.MIX
        self._max_seconds = max_seconds
        self._sound: _Stream | None = None
        self._samples = 0
        self._finished = False
        self._fd, self._size = _open_regular(Path(path))
        try:
            self._sound = self._open_sound()
        except BaseException:
            self.close()
            raise

    def _open_sound(self) -> _Stream:
        if self._size == 0:
            raise AudioUnreadable("The file is empty: it has zero bytes.")
        try:
            sound = _Stream(self._fd, closefd=False)
        except soundfile.LibsndfileError as error:
            if "Too many channels" in error.error_string:
                raise AudioUnsupported(f"The recording has more than {MAX_CHANNELS} channels.") from error
            raise AudioUnreadable(f"The file could not be read as audio. {_reason(error)}") from error
        self._sound = sound
        self.format: str = sound.format
        self.source_rate: int = sound.samplerate
        self.channels: int = sound.channels
        self.tracks = 1 if self.mixes else self.channels
        self.frames: int | None = sound.frames if 0 <= sound.frames < _UNKNOWN_FRAMES else None
        if self.format not in FORMATS:
            raise AudioUnsupported(f"{self.format} files are not read. Convert the recording to WAV or FLAC.")
        if not MIN_SOURCE_RATE <= self.source_rate <= MAX_SOURCE_RATE:
            raise AudioUnsupported(
                f"The sample rate of {self.source_rate} Hz is not in {MIN_SOURCE_RATE}..{MAX_SOURCE_RATE} Hz."
            )
        if (
            self.frames == 0
            and self.format == "WAV"
            and self._size - self._position() > _UNFINISHED_WAV_BYTES
        ):
            raise AudioUnreadable(
                "The WAV header says that there are no samples, but data follow: the recorder did not finish "
                "the file. Repair its header, for example with a converter that ignores the stored length."
            )
        if self.format != "MP3" and self.seconds is not None:
            self._check_length(self.seconds)
        return sound

    @property
    def seconds(self) -> float | None:
        """Length by the header, never to be trusted; None where it is unknown."""
        return None if self.frames is None else self.frames / self.source_rate

    @property
    def decoded_seconds(self) -> float:
        """Seconds handed out so far."""
        return self._samples / self.sample_rate

    @property
    def progress(self) -> float:
        """Part of the file's bytes read so far, 0..1: right within a block whatever the header says."""
        if self._finished or self._fd < 0:
            return 1.0 if self._finished else 0.0
        return min(self._position() / self._size, 1.0)

    def __iter__(self) -> Iterator[Samples]:
        if self._finished or self._sound is None:
            return
        if self.source_rate == self.sample_rate:
            for block in self._source_blocks():
                yield self._count(block.T)
        else:
            resampler = soxr.ResampleStream(
                self.source_rate, self.sample_rate, self.tracks, dtype="float32", quality="HQ"
            )
            for block in self._source_blocks():
                resampled = resampler.resample_chunk(block)
                if resampled.size:
                    yield self._count(np.clip(resampled, -1.0, 1.0).T)
            tail = resampler.resample_chunk(np.zeros((0, self.tracks), np.float32), last=True)
            if tail.size:
                yield self._count(np.clip(tail, -1.0, 1.0).T)
        self._finished = True

    def _source_blocks(self) -> Iterator[Samples]:
        """Blocks of shape (samples, tracks) at the source's rate, finite and within ±1."""
        assert self._sound is not None
        frames = max(_BLOCK_SAMPLES // self.channels, 1)
        decoded = 0
        while True:
            try:
                block = self._sound.read(frames, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise AudioUnreadable(
                    f"The recording is damaged after {decoded / self.source_rate:.1f} s. "
                    "Copy it again from its source, or repair it."
                ) from error
            if not len(block):
                break
            decoded += len(block)
            if self.channels > self.tracks:
                block = block.mean(axis=1, keepdims=True)
            yield _bounded(block)
        self._check_complete(decoded)

    def _check_complete(self, decoded: int) -> None:
        """Finds what libsndfile passes over in silence: a stream given up early, pages lost within one."""
        seconds = decoded / self.source_rate
        if self.format in ("MP3", "OGG") and self._size - self._position() > _UNDECODED_BYTES:
            raise AudioUnreadable(
                f"Only the first {seconds:.1f} s of this {self.format} file can be decoded: it is damaged "
                "there, its header is wrong, or it is several files in one. Convert it to WAV or FLAC."
            )
        lost = 0.0 if self.seconds is None else self.seconds - seconds
        if self.format == "OGG" and lost > _LOST_SECONDS:
            raise AudioUnreadable(
                f"The recording is damaged: {lost:.1f} of its {self.seconds:.1f} s are missing. "
                "Copy it again from its source."
            )

    def _count(self, block: Samples) -> Samples:
        self._samples += block.shape[1]
        self._check_length(self.decoded_seconds)
        return block

    def _check_length(self, seconds: float) -> None:
        if self._max_seconds is not None and seconds > self._max_seconds + 0.001:
            raise AudioTooLong(f"The recording is longer than the {self._max_seconds:g} s that are allowed.")

    def _position(self) -> int:
        return os.lseek(self._fd, 0, os.SEEK_CUR)

    def close(self) -> None:
        """Frees the decoder and the file. May be called twice."""
        sound, self._sound = self._sound, None
        if sound is not None:
            with contextlib.suppress(soundfile.LibsndfileError):  # a damaged FLAC complains once more
                sound.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_audio(
    path: str | os.PathLike[str],
    sample_rate: int,
    max_seconds: float | None = None,
    channels: Channels = Channels.MIX,
) -> AudioReader:
    """Opens a recording: WAV, FLAC, Ogg (Vorbis, Opus), MP3, AIFF, CAF, AU of any rate and up to 1,024
    channels.

    The content tells the format, not the name. `max_seconds` is held against the samples decoded, and at
    once against a header that already admits more.

    Raises:
        AudioUnreadable, AudioUnsupported, AudioTooLong: here, or while iterating.
        OSError: the file is there and cannot be opened, which is no fault of the recording.
    """
    return AudioReader(path, sample_rate, max_seconds, channels)


def _open_regular(path: Path) -> tuple[int, int]:
    """Descriptor and bytes of a regular file; a pipe would block and a device never end."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AudioUnreadable("There is no such file.") from error
    except ValueError as error:
        raise AudioUnreadable("The name of the file holds a null character.") from error
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise AudioUnreadable("This is a directory or a device, not a file.")
    return fd, status.st_size


def _bounded(block: Samples) -> Samples:
    low, high = float(block.min()), float(block.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise AudioUnreadable("The recording contains samples that are not numbers (NaN or infinity).")
    if low >= -1.0 and high <= 1.0:
        return block
    if max(-low, high) > FULL_SCALE_LIMIT:
        raise AudioUnsupported(
            f"The recording has floating-point samples as large as {max(-low, high):.3g}, but full scale "
            "is 1. Divide them, or store them as integers."
        )
    return np.clip(block, -1.0, 1.0)


def _reason(error: soundfile.LibsndfileError) -> str:
    """libsndfile's own words as one sentence."""
    words = str(error.error_string).removeprefix("Error : ").strip()
    return words if words.endswith((".", "!", "?")) else words + "."
