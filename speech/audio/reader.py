"""Read recordings as blocks of samples at the model's rate, in memory independent of their length.

Two readers decode: libsndfile (`speech.audio.sound_files`) if it knows the format, else FFmpeg
(`speech.audio.containers`). This module does the rest for both: sample range, mixing, resampling with
libsoxr, length limit, progress. No allocation trusts a header.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import soxr
from shrutlekh_contract.options import Channels

from speech.audio.sound_files import MAX_CHANNELS, NotTaken, SoundFileReader
from speech.errors import AudioTooLong, AudioUnreadable, AudioUnsupported

Samples = npt.NDArray[np.float32]

MIN_SOURCE_RATE = 1_000
MAX_SOURCE_RATE = 400_000

MAX_TRACKS = 8
"""Most channels that can be transcribed separately."""

FULL_SCALE_LIMIT = 10.0
"""Floating-point samples up to this (20 dB over full scale) are clipped to ±1. Larger ones mean that the file
uses other units."""

CANCELLED = 0.01
"""If the mean of two channels has less than this fraction of their mean power (-20 dB), they carry one signal
in opposite phase, as from a balanced cable in a stereo socket. The mean would be silent, so half the
difference is used."""


class Reader(Protocol):
    """Decodes one open file.

    Attributes:
        format: a name such as "WAV", "MP3" or "mov".
        source_rate: sample rate in hertz.
        channels: number of channels of the first block.
        seconds: length according to the header, not to be trusted; None if unknown.
        counts: whether that length is a sample count rather than an estimate.
    """

    format: str
    source_rate: int
    channels: int
    seconds: float | None
    counts: bool

    @property
    def position(self) -> int:
        """Bytes of the file read so far."""
        ...

    def blocks(self) -> Iterator[Samples]:
        """Yield blocks of shape (samples, channels) and bounded size, neither clipped nor resampled.

        Raises:
            AudioUnreadable, AudioUnsupported: the recording is damaged, or changes its format midway.
        """
        ...

    def close(self) -> None:
        """Free the decoder, but leave the file open. Called once."""
        ...


class AudioReader:
    """Yields float32 blocks of shape (tracks, samples), within ±1, at `sample_rate`. Iterates only once.

    Attributes:
        mixes: whether blocks have one row, the mean of the channels.
        tracks: rows of a block: one, or one per channel.
        format: a name such as "WAV", "MP3" or "mov".
        source_rate: sample rate of the file in hertz.
        channels: channels of the file.
        seconds: length according to the header, not to be trusted; None if unknown.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        sample_rate: int,
        max_seconds: float | None = None,
        channels: str | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        self.mixes = channels != Channels.EACH
        self._max_seconds = max_seconds
        self._reader: Reader | None = None
        self._samples = 0
        self._finished = False
        self._fd, self._size = _open_regular(Path(path))
        try:
            self._reader = reader = _open_reader(self._fd, self._size)
            self.format = reader.format
            self.source_rate = reader.source_rate
            self.channels = reader.channels
            self.seconds = reader.seconds
            self.tracks = 1 if self.mixes else self.channels
            self._check_kind()
            if reader.counts and reader.seconds is not None:
                self._check_length(reader.seconds)
        except BaseException:
            self.close()
            raise

    def _check_kind(self) -> None:
        if not MIN_SOURCE_RATE <= self.source_rate <= MAX_SOURCE_RATE:
            raise AudioUnsupported(
                f"The sample rate of {self.source_rate} Hz is not in {MIN_SOURCE_RATE}..{MAX_SOURCE_RATE} Hz."
            )
        if self.channels > MAX_CHANNELS:
            raise AudioUnsupported(f"The recording has more than {MAX_CHANNELS} channels.")
        if not self.mixes and self.channels > MAX_TRACKS:
            raise AudioUnsupported(
                f"The recording has {self.channels} channels, and at most {MAX_TRACKS} can be transcribed "
                "one by one. Have them mixed instead, or split the recording."
            )

    @property
    def decoded_seconds(self) -> float:
        """Seconds of audio yielded so far."""
        return self._samples / self.sample_rate

    @property
    def progress(self) -> float:
        """Fraction of the file's bytes read so far, 0..1. Accurate to a block, whatever the header says."""
        if self._finished or self._reader is None:
            return 1.0 if self._finished else 0.0
        return min(self._reader.position / self._size, 1.0)

    def __iter__(self) -> Iterator[Samples]:
        if self._finished or self._reader is None:
            return
        if self.source_rate == self.sample_rate:
            for block in self._tracks(self._reader):
                yield self._count(block.T)
        else:
            resampler = soxr.ResampleStream(
                self.source_rate, self.sample_rate, self.tracks, dtype="float32", quality="HQ"
            )
            for block in self._tracks(self._reader):
                resampled = resampler.resample_chunk(block)
                if resampled.size:
                    yield self._count(np.clip(resampled, -1.0, 1.0).T)
            tail = resampler.resample_chunk(np.zeros((0, self.tracks), np.float32), last=True)
            if tail.size:
                yield self._count(np.clip(tail, -1.0, 1.0).T)
        self._finished = True

    def _tracks(self, reader: Reader) -> Iterator[Samples]:
        """Yield blocks of shape (samples, tracks) at the source's rate, finite and within ±1."""
        for block in reader.blocks():
            if self.mixes:
                block = _mixed(block)
            elif block.shape[1] != self.tracks:
                raise AudioUnsupported(
                    f"The recording goes from {self.tracks} to {block.shape[1]} channels after "
                    f"{self.decoded_seconds:.1f} s, so they cannot be transcribed one by one."
                )
            yield _bounded(block)

    def _count(self, block: Samples) -> Samples:
        self._samples += block.shape[1]
        self._check_length(self.decoded_seconds)
        return block

    def _check_length(self, seconds: float) -> None:
        if self._max_seconds is not None and seconds > self._max_seconds + 0.001:
            raise AudioTooLong(f"The recording is longer than the {self._max_seconds:g} s that are allowed.")

    def close(self) -> None:
        """Free the decoder and close the file. Idempotent."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
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
    channels: str | None = None,
) -> AudioReader:
    """Open a recording in any format that docs/audio.md lists.

    The format is detected from the content, not the name.

    Args:
        path: the file.
        sample_rate: rate of the blocks in hertz.
        max_seconds: limit for the decoded audio, also checked against the header if it has a sample count.
        channels: whether to mix the channels, at most 1,024, or to keep them apart, at most 8.

    Raises:
        AudioUnreadable, AudioUnsupported, AudioTooLong: here or while iterating.
        OSError: the file exists but cannot be opened or read. Not a fault of the recording.
    """
    return AudioReader(path, sample_rate, max_seconds, channels)


def _open_regular(path: Path) -> tuple[int, int]:
    """Open a regular file and return its descriptor and size. A pipe would block, a device never end."""
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


def _open_reader(fd: int, size: int) -> Reader:
    """Return the first reader that accepts the file."""
    if size == 0:
        raise AudioUnreadable("The file is empty: it has zero bytes.")
    try:
        return SoundFileReader(fd, size)
    except NotTaken as error:
        refusal = error.refusal
    # Imported here, because FFmpeg costs a process 40 ms and 20 MB, and most recordings do not need it.
    from speech.audio.containers import ContainerReader, NotRecognised

    try:
        return ContainerReader(fd, size)
    except NotRecognised:
        raise refusal from None


def _mixed(block: Samples) -> Samples:
    """Mix to the mean of the channels, shape (samples, 1). For channels in opposite phase see CANCELLED."""
    channels = block.shape[1]
    if channels == 1:
        return block
    mean: Samples = block.mean(axis=1, keepdims=True)
    if channels == 2:
        power = float(np.einsum("ij,ij->", block, block)) / 2
        if float(np.einsum("ij,ij->", mean, mean)) < CANCELLED * power:
            mean = (block[:, :1] - block[:, 1:]) / np.float32(2)
    return mean


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
