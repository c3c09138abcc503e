"""Read recordings with FFmpeg (through PyAV): the formats of phones, messengers, browsers and cameras.

FFmpeg is sandboxed: it gets one open file, cannot follow references to others, and may use only the demuxers
listed below and the decoders of `speech.audio.tracks`. Video is never decoded.
"""

import os
from collections.abc import Iterator
from itertools import chain
from typing import NoReturn, cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard

from speech.audio.file_bytes import FileBytes
from speech.audio.timeline import Timeline
from speech.audio.tracks import DECODERS, NoCodec, as_float, choose_track, make_decoder
from speech.errors import AudioUnreadable

Samples = npt.NDArray[np.float32]

DEMUXERS = (
    "aac,ac3,aiff,amr,asf,au,avi,caf,eac3,flac,flv,loas,matroska,mov,mp3,mpeg,mpegts,ogg,tta,w64,wav,wv"
)
_LENGTH_UNSURE = frozenset(
    {"aac", "ac3", "aiff", "amr", "asf", "au", "eac3", "loas", "mp3", "mpeg", "mpegts", "w64", "wav"}
)
"""Formats whose header has no sample count, so that FFmpeg estimates the length, or often a wrong one."""

_RESYNCHRONISED = frozenset({"matroska,webm", "flv"})
"""Demuxers that silently skip damaged data to the next valid position."""

_SKIPPED_BYTES = 1_000
"""If more than this was skipped and time is missing as well, the recording is damaged."""

_ALSO_LIBSNDFILES = frozenset({"aiff", "au", "caf", "flac", "w64", "wav"})
"""Formats that libsndfile reads too. It has already reported what is wrong with the header."""

_LOST_SECONDS = 0.5
"""A track that is shorter than its header's sample count by more than this is incomplete."""

_MP4_BOXES = frozenset({b"ftyp", b"mdat", b"moov", b"free", b"wide", b"skip"})

_BLOCK_SAMPLES = 65_536
"""Approximate samples per block over all channels: 256 KiB as float32."""

_PLENTY = 1 << 28
"""More bytes than an intact recording needs in one allocation."""


class NotRecognised(Exception):
    """The file is not in one of the formats that FFmpeg may read here."""


class ContainerReader:
    """Reads one open file with FFmpeg. Implements `speech.audio.reader.Reader`."""

    def __init__(self, fd: int, size: int) -> None:
        """Open the `size` bytes of the descriptor `fd`, which the caller still owns.

        Raises:
            NotRecognised: FFmpeg may not read the format.
            AudioUnreadable, AudioUnsupported: the recording is damaged, or its codec is not supported.
            MemoryError: memory ran out.
        """
        self._file = FileBytes(fd, size)
        self._container = self._open(fd)
        try:
            self._file.check()
            self.format = self._container.format.name
            self._stream = self._choose()
            self._decoder = make_decoder(self._stream)
            self._position = 0
            self._skipped = 0
            self._pending: list[Samples] = []
            self._timeline: Timeline | None = None
            self.counts = self.format not in _LENGTH_UNSURE
            self.seconds = self._header_seconds()
            frames = self._frames()
            # Decode a frame first: a header may state half the real rate and channels (HE-AAC's SBR and PS).
            first = next(frames, None)
            self.source_rate: int = self._decoder.sample_rate if first is None else first.sample_rate
            self.channels = self._decoder.channels if first is None else first.layout.nb_channels
            self._decoded = frames if first is None else chain([first], frames)
            self._timeline = Timeline(self.source_rate, self._origin())
        except BaseException:
            self.close()
            raise

    def _open(self, fd: int) -> InputContainer:
        options = {
            "format_whitelist": DEMUXERS,
            "codec_whitelist": DECODERS,
            "protocol_whitelist": "none",
            "probesize": str(2**20),
            "max_streams": "100",
            "fpsprobesize": "0",
        }
        try:
            return av.open(
                self._file,
                "r",
                options=options,
                io_open=_open_nothing,
                buffer_size=2**16,
                metadata_errors="replace",
            )
        except FFmpegError as error:
            self._file.check()
            _check_memory(error)
            if os.pread(fd, 8, 0)[4:] in _MP4_BOXES:
                raise AudioUnreadable(
                    "The recording was cut off or never finished: the index that MP4, M4A, MOV and 3GP files "
                    "need is missing or damaged. Copy it again from its source, or repair it."
                ) from error
            raise NotRecognised from error

    def _choose(self) -> AudioStream:
        """Choose the track to transcribe. In a file with a packet table, skip reading the others."""
        try:
            chosen = choose_track(self._container)
        except NoCodec:
            if self.format in _ALSO_LIBSNDFILES:
                raise NotRecognised from None
            raise
        if self._seeks:
            for stream in self._container.streams:
                if stream.index != chosen.index:
                    stream.discard = Discard.all
        return chosen

    @property
    def _seeks(self) -> bool:
        """Whether the format has a table of all packets."""
        return self.format.startswith("mov,")

    def _header_seconds(self) -> float | None:
        stream, container = self._stream, self._container
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        pictures = any(other.type == "video" for other in container.streams)
        if container.duration is None or pictures:  # the duration may be the video's
            return None
        return (container.duration - max(container.start_time or 0, 0)) / av.time_base

    def _origin(self) -> float:
        """Return the timestamp, in seconds, that players show as zero."""
        return 0.0 if self._seeks else (self._container.start_time or 0) / av.time_base

    @property
    def position(self) -> int:
        return self._position

    def blocks(self) -> Iterator[Samples]:
        assert self._timeline is not None
        timeline = self._timeline
        samples = 0
        for frame in self._decoded:
            block = self._samples(frame)
            gap = timeline.gap(_time(frame))
            if gap and self._was_skipped(timeline):
                raise self._damaged()
            self._skipped = 0
            timeline.advance(gap + len(block))
            if self._pending and (gap or self._pending[0].shape[1] != block.shape[1]):
                yield self._gathered()
                samples = 0
            yield from _silence(gap, block.shape[1])
            self._pending.append(block)
            samples += block.size
            if samples >= _BLOCK_SAMPLES:
                yield self._gathered()
                samples = 0
        if self._pending:
            yield self._gathered()
        lost = self.seconds - timeline.seconds if self.counts and self.seconds else 0.0
        if lost > _LOST_SECONDS:
            raise AudioUnreadable(
                f"The recording is damaged or was cut off: {lost:.1f} of its {self.seconds:.1f} s are "
                "missing. Copy it again from its source."
            )

    def _was_skipped(self, timeline: Timeline) -> bool:
        """Return whether the missing time is damage, rather than a pause of the recorder."""
        if self.format in _RESYNCHRONISED:
            return self._skipped > _SKIPPED_BYTES
        # ASF packets have no byte positions, and its codecs leave no gaps.
        return self.format == "asf" and timeline.seconds > 0

    def _gathered(self) -> Samples:
        block = np.concatenate(self._pending)
        self._pending.clear()
        return block

    def _samples(self, frame: AudioFrame) -> Samples:
        """Convert a frame to float32 of shape (samples, channels), full scale 1."""
        if frame.sample_rate != self.source_rate:
            raise AudioUnreadable(
                f"The sample rate goes from {self.source_rate} to {frame.sample_rate} Hz after "
                f"{self._seconds:.1f} s: the recording is damaged there, or it is several in one."
            )
        return as_float(frame)

    def _frames(self) -> Iterator[AudioFrame]:
        """Yield decoded frames. An undecodable packet is damage, unless the file was cut off in it."""
        trouble: FFmpegError | None = None
        decoded = False
        for packet in self._packets():
            if trouble is not None and packet.size:
                raise self._damaged() from trouble
            try:
                frames = self._decoder.decode(packet)
            except FFmpegError as error:
                _check_memory(error)
                trouble = trouble or error
                continue
            decoded = decoded or bool(frames)
            yield from (frame for frame in frames if frame.samples)
        if trouble is not None and not decoded:
            raise self._damaged() from trouble

    def _packets(self) -> Iterator["Packet[AudioStream]"]:
        """Yield the packets of the chosen track. The last one is empty, which flushes the decoder."""
        demuxed = self._container.demux(self._stream) if self._seeks else self._container.demux()
        end: int | None = None
        try:
            for packet in demuxed:
                if packet.pos is not None and packet.pos >= 0:
                    if end is not None:
                        self._skipped = max(self._skipped, packet.pos - end)
                    end = packet.pos + packet.size
                    self._position = max(self._position, self._file.begin + end)
                if packet.stream_index == self._stream.index:
                    yield cast("Packet[AudioStream]", packet)
        except FFmpegError as error:
            self._file.check()
            _check_memory(error)
            raise self._damaged() from error
        self._file.check()

    def _damaged(self) -> AudioUnreadable:
        if not self._seconds:
            return AudioUnreadable(
                "The file could not be read as audio: its beginning is damaged. "
                "Copy it again from its source."
            )
        return AudioUnreadable(
            f"The recording is damaged after {self._seconds:.1f} s. "
            "Copy it again from its source, or repair it."
        )

    @property
    def _seconds(self) -> float:
        return 0.0 if self._timeline is None else self._timeline.seconds

    def close(self) -> None:
        self._container.close()


def _check_memory(error: FFmpegError) -> None:
    """If FFmpeg failed to allocate, raise MemoryError, or AudioUnreadable if the recording asked too much."""
    if isinstance(error, MemoryError):
        np.empty(_PLENTY, np.uint8)  # raises MemoryError if memory really ran out
        raise AudioUnreadable(
            "The recording is damaged: it claims to need more memory than there is."
        ) from error


def _open_nothing(*_: object) -> NoReturn:
    raise PermissionError("A recording may not name other files.")


def _time(frame: AudioFrame) -> float | None:
    return None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)


def _silence(samples: int, channels: int) -> Iterator[Samples]:
    most = max(_BLOCK_SAMPLES // channels, 1)
    for begin in range(0, samples, most):
        yield np.zeros((min(most, samples - begin), channels), np.float32)
