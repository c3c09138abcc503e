"""Read recordings as blocks of samples at the model's rate, in memory independent of their length.

Two readers decode: libsndfile (`speech.audio.sound_files`) files of plain samples, FFmpeg
(`speech.audio.containers`) all others. This module does the rest for both: several recordings in one file,
sample range, mixing, resampling with libsoxr, length limit, progress. No allocation trusts a header.

A recording fails only if nothing of it can be heard. What is damaged or missing is collected as warnings.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from shrutlekh_contract.audio_warnings import AudioWarning
from shrutlekh_contract.options import Channels

from speech.audio.blocks import Block, HardlyAudio, Samples
from speech.audio.defects import Defects
from speech.audio.resampling import Resampler
from speech.audio.samples import FULL_SCALE_LIMIT, fitted, mixed, without_damage
from speech.audio.signal_meter import SignalMeter
from speech.audio.sound_files import MAX_CHANNELS, NotTaken, SoundFileReader, refusal_of
from speech.audio.structure import MAGICS, FilePart, find_links
from speech.errors import AudioTooLong, AudioUnreadable, AudioUnsupported, SpeechError

MIN_SOURCE_RATE = 1_000
MAX_SOURCE_RATE = 400_000

MAX_TRACKS = 8
"""Most channels that can be transcribed separately."""


class Reader(Protocol):
    """Decodes one recording.

    Attributes:
        format: a name such as "wav", "mp3" or "mov".
        source_rate: sample rate of the first block in hertz.
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
        """Bytes of the recording read so far."""
        ...

    def blocks(self) -> Iterator[Block]:
        """Yield blocks of bounded size, neither clipped nor resampled. Damaged parts are silent.

        Raises:
            AudioUnreadable, AudioUnsupported: nothing more of the recording can be decoded.
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
        format: a name such as "wav", "mp3" or "mov".
        source_rate: sample rate of the file in hertz, at its beginning.
        channels: channels of the file, at its beginning.
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
        self._defects = Defects()
        self._read_seconds = 0.0
        self._fd, self._size = _open_regular(Path(path))
        try:
            self._links = _links(FilePart(self._fd, 0, self._size))
            self._reader = reader = self._open_first()
            self.format = reader.format
            self.source_rate = reader.source_rate
            self.channels = reader.channels
            self.seconds = reader.seconds if not self._links else None
            self.tracks = 1 if self.mixes else self.channels
            self._check_kind()
            if reader.counts and reader.seconds is not None:
                self._check_length(reader.seconds)
        except BaseException:
            self.close()
            raise
        self._meter = SignalMeter()

    def _open_first(self) -> Reader:
        """Open the first link that can be read, or raise the error of the first one."""
        refusal: SpeechError | None = None
        while self._links:
            try:
                return self._open_next()
            except SpeechError as error:
                refusal = refusal or error
                self._defects.gap(0.0, 0.0)
        assert refusal is not None
        raise refusal

    def _open_next(self) -> Reader:
        self._part = self._links.pop(0)
        return _open_reader(self._part, self._defects)

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
        return min((self._part.begin + self._reader.position) / self._size, 1.0)

    @property
    def warnings(self) -> tuple[AudioWarning, ...]:
        """What was imperfect so far; after the end, all that is."""
        return self._defects.warnings(self._meter.report())

    def __iter__(self) -> Iterator[Samples]:
        """Yield the blocks.

        Raises:
            AudioTooLong: the recording is longer than allowed.
            AudioUnreadable, AudioUnsupported: nothing of the recording can be heard.
        """
        if self._finished or self._reader is None:
            return
        for block in self._resampled():
            self._samples += block.shape[1]
            self._check_length(self.decoded_seconds)
            yield block
        self._finished = True

    def _resampled(self) -> Iterator[Samples]:
        """Yield blocks of shape (tracks, samples) at the target rate."""
        rate, resampler = self.sample_rate, Resampler(self.sample_rate, self.sample_rate, self.tracks)
        for samples, source_rate in self._tracks():
            if source_rate != rate:
                yield from _unless_empty(resampler.flush())
                rate, resampler = source_rate, Resampler(source_rate, self.sample_rate, self.tracks)
            yield from _unless_empty(resampler.push(samples))
        yield from _unless_empty(resampler.flush())

    def _tracks(self) -> Iterator[Block]:
        """Yield blocks of shape (samples, tracks) at the source's rate, finite and within ±1."""
        heard = True
        for samples, rate in self._blocks():
            if not len(samples):
                continue
            begin = self._read_seconds
            if not MIN_SOURCE_RATE <= rate <= MAX_SOURCE_RATE:  # a header that is damaged
                self._defects.gap(begin - self._defects.offset, begin - self._defects.offset)
                continue
            self._read_seconds += len(samples) / rate
            peak = max(float(samples.max()), -float(samples.min()))  # NaN if a sample is
            spans: list[tuple[int, int]] = []
            is_sound = True
            if not peak <= FULL_SCALE_LIMIT:
                samples, spans, is_sound = without_damage(samples)
                peak = float(np.abs(samples).max())
            heard = is_sound if not begin else heard or is_sound
            for first, last in spans:
                offset = begin - self._defects.offset
                self._defects.gap(offset + first / rate, offset + last / rate)
            self._meter.count_clipped(samples, peak)
            if peak > 1.0:
                samples = np.clip(samples, -1.0, 1.0)
            if self.mixes:
                samples = mixed(samples)
            elif samples.shape[1] != self.tracks:
                self._defects.channels(begin - self._defects.offset, self.tracks, samples.shape[1])
                samples = fitted(samples, self.tracks)
            self._meter.measure(samples, rate)
            yield Block(samples, rate)
        if not heard:
            raise AudioUnreadable("The recording has only samples that are not numbers (NaN or infinity).")

    def _blocks(self) -> Iterator[Block]:
        """Yield the blocks of all links, one after the other."""
        while True:
            assert self._reader is not None
            try:
                yield from self._reader.blocks()
            except SpeechError as error:
                nothing_else = not self._part.begin and not self._links
                if nothing_else and (isinstance(error, HardlyAudio) or not self._read_seconds):
                    raise
                so_far = self._read_seconds - self._defects.offset
                self._defects.gap(so_far, so_far)
            self._defects.offset = self._read_seconds
            if not self._open_further():
                return

    def _open_further(self) -> bool:
        """Open the next link that can be read. False if there is none."""
        while self._links:
            reader, self._reader = self._reader, None
            if reader is not None:
                reader.close()
            with contextlib.suppress(SpeechError):
                self._reader = self._open_next()
                return True
            self._defects.gap(0.0, 0.0)
        return False

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


def _links(file: FilePart) -> list[FilePart]:
    """Return the recordings in a file, in order."""
    if not file.size:
        raise AudioUnreadable("The file is empty: it has zero bytes.")
    begins = find_links(file)
    return [FilePart(file.fd, begin, end) for begin, end in pairwise([*begins, file.size])]


def _open_reader(file: FilePart, defects: Defects) -> Reader:
    """Return the first reader that accepts the recording."""
    refusal: SpeechError | None = None
    if file.read(0, 4).startswith(MAGICS):
        try:
            return SoundFileReader(file, defects)
        except NotTaken as error:
            refusal = error.refusal
    # Imported here, because FFmpeg costs a process 40 ms and 20 MB, and WAV files do not need it.
    from speech.audio.containers import ContainerReader, NotRecognised

    try:
        return ContainerReader(file, defects)
    except NotRecognised:
        raise refusal or refusal_of(file) from None


def _unless_empty(block: Samples) -> Iterator[Samples]:
    """Yield a block unless it is empty."""
    if block.size:
        yield block
