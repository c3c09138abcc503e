"""Decode a container's packets one by one, and account for those that cannot be decoded."""

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias, cast

import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import EOFError as EndOfFile
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet

from speech.audio.blocks import HardlyAudio
from speech.audio.file_bytes import FileBytes
from speech.audio.structure import HEADER_BYTES, frame_bytes
from speech.errors import AudioUnreadable

AudioPacket: TypeAlias = "Packet[AudioStream]"

COUNTING: Final = frozenset({"aac", "ac3", "amr", "eac3", "loas", "mp3"})
"""Formats that store no timestamps. FFmpeg counts frames instead, so lost ones leave no gap in time."""

MAX_FAILURES_IN_A_ROW: Final = 64
"""After as many failures to read a packet, the rest of the file is given up."""

LEAST_SHARE: Final = 0.01
"""If less than this share of a stream of frames can be decoded, it is not audio: random bytes have frames
too."""

_AMR_RESERVED: Final = {"nb": range(9, 15), "wb": range(10, 14)}
"""Frame types that nobody sends (RFC 4867, section 4.3.2)."""

_PLENTY: Final = 1 << 28
"""More bytes than an intact recording needs in one allocation."""


class Losses(NamedTuple):
    """What was lost between two frames.

    Attributes:
        failures: packets that could not be read or decoded.
        seconds: their length, estimated from the bytes; 0 where timestamps tell it.
        skipped_bytes: the largest number of bytes between two packets.
    """

    failures: int
    seconds: float
    skipped_bytes: int


class PacketDecoder:
    """Yields the decoded frames of one track, once.

    Attributes:
        counts_frames: whether timestamps are only counted frames, see COUNTING.
        failures: packets so far that could not be read or decoded.
        position: bytes of the recording read so far.
        time: timestamp of the frame just yielded, in seconds; None if it has none.
        ended_in_a_frame: whether the last packet of a stream of frames was incomplete.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: AudioStream,
        decoder: AudioCodecContext,
        demuxed: AudioStream | None,
        file: FileBytes,
    ) -> None:
        """`demuxed`: the only stream to read; None to read all, which a file without a packet table needs."""
        self._container, self._stream, self._decoder, self._file = container, stream, decoder, file
        self._demuxed = demuxed
        self.counts_frames = container.format.name in COUNTING
        self._is_amr = container.format.name == "amr"
        self._reserved = _AMR_RESERVED["wb" if "wb" in decoder.name else "nb"]
        self.failures = 0
        self.position = 0
        self.time: float | None = None
        self.ended_in_a_frame = False
        self._tick: float | None = None
        self._losing = 0
        self._lost_bytes = 0
        self._skipped = 0
        self._good_bytes = 0
        self._good_seconds = 0.0

    def __iter__(self) -> Iterator[AudioFrame]:
        last: AudioPacket | None = None
        before = last_size = 0
        for packet in self._packets():
            size = packet.size
            if size:
                before, last_size, last = last_size, size, packet
            try:
                if self._is_amr and size and not _is_amr_frame(packet, self._reserved):
                    raise InvalidDataError(0, "This is no frame.")
                frames = self._decoder.decode(packet)
            except FFmpegError as error:
                check_memory(error)
                self._fail(size)
                if size:
                    self.ended_in_a_frame = True
                continue
            if size:
                self.ended_in_a_frame = False
            for frame in frames:
                if samples := frame.samples:
                    self._good_seconds += samples / frame.sample_rate
                    self.time = self._seconds(frame)
                    yield frame
            self._good_bytes += size
        self.ended_in_a_frame = self.ended_in_a_frame or (
            last is not None and self._is_incomplete(last, before)
        )

    def _fail(self, size: int) -> None:
        self.failures += 1
        self._losing += 1
        self._lost_bytes += size

    @property
    def is_gapless(self) -> bool:
        """Whether frames are counted and nothing was lost since `take_losses` was called last."""
        return self.counts_frames and not self._losing and not self._skipped

    def take_losses(self) -> Losses:
        """Return what was lost since the last call."""
        rate = self._good_seconds / self._good_bytes if self._good_bytes else 0.0
        seconds = self._lost_bytes * rate if self.counts_frames else 0.0
        losses = Losses(self._losing, seconds, self._skipped)
        self._losing = self._lost_bytes = self._skipped = 0
        return losses

    def check_share(self, size: int) -> None:
        """Check that a stream of frames of `size` bytes is one.

        Raises:
            HardlyAudio: it is not.
        """
        if self.counts_frames and self._good_bytes < LEAST_SHARE * size:
            raise HardlyAudio("The file could not be read as audio: hardly anything in it can be decoded.")

    def _packets(self) -> Iterator[AudioPacket]:
        """Yield the packets of the track. The last one is empty, which flushes the decoder."""
        end: int | None = None
        failed = 0
        track, offset = self._stream.index, self._file.begin
        while failed < MAX_FAILURES_IN_A_ROW:
            try:
                for packet in self._container.demux(*([self._demuxed] if self._demuxed else [])):
                    size, begin = packet.size, packet.pos
                    if size:
                        failed = 0
                    if begin is not None and begin >= 0:
                        if end is not None and begin > end:
                            self._skipped = max(self._skipped, begin - end)
                        end = begin + size
                        if offset + end > self.position:
                            self.position = offset + end
                    if packet.stream_index == track:
                        yield cast("AudioPacket", packet)
                self._file.check()
                return
            except EndOfFile:
                break
            except (FFmpegError, IndexError) as error:  # IndexError: PyAV meets a stream that damage made up
                self._file.check()
                check_memory(error)
                self._fail(0)
                self.ended_in_a_frame = True
                failed += 1
        yield cast("AudioPacket", Packet())

    def _seconds(self, frame: AudioFrame) -> float | None:
        if frame.pts is None:
            return None
        if self._tick is None:
            if frame.time_base is None:
                return None
            self._tick = float(frame.time_base)
        return frame.pts * self._tick

    def _is_incomplete(self, packet: AudioPacket, before: int) -> bool:
        """Return whether the last packet ends within its frame. `before` is the size of the one before it."""
        if packet.is_corrupt:
            return True
        if self._container.format.name in ("ac3", "eac3"):  # of constant bit rate, up to padding
            return packet.size + 2 < before
        if self._container.format.name in ("aac", "mp3"):
            stated = frame_bytes(bytes(packet)[:HEADER_BYTES])
            return stated is not None and packet.size < stated
        return False


def _is_amr_frame(packet: AudioPacket, reserved: range) -> bool:
    """Return whether an AMR packet begins as a frame does. FFmpeg takes any byte for a frame."""
    head = bytes(packet)[0]
    return head & 0x83 == 0 and head >> 3 & 15 not in reserved


def check_memory(error: Exception) -> None:
    """If FFmpeg failed to allocate, raise MemoryError, or AudioUnreadable if the recording asked too much."""
    if isinstance(error, MemoryError):
        np.empty(_PLENTY, np.uint8)  # raises MemoryError if memory really ran out
        raise AudioUnreadable(
            "The recording is damaged: it claims to need more memory than there is."
        ) from error
