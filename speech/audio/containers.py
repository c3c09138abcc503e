"""Read recordings with FFmpeg (through PyAV): the formats of phones, messengers, browsers and cameras.

FFmpeg is sandboxed: it gets one open file, cannot follow references to others, and may use only the demuxers
listed below and the decoders of `speech.audio.tracks`. Video is never decoded.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Final, NoReturn

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard

from speech.audio.blocks import BLOCK_SAMPLES, Block, Samples
from speech.audio.defects import Defects
from speech.audio.file_bytes import FileBytes
from speech.audio.packets import PacketDecoder, check_memory
from speech.audio.structure import (
    INDEX_REACH,
    FilePart,
    has_damaged_last_page,
    indexed_seconds,
    is_cut_off,
    without_avi_index,
)
from speech.audio.timeline import Timeline
from speech.audio.tracks import DECODERS, NoCodec, as_float, choose_track, make_decoder
from speech.errors import AudioUnreadable

DEMUXERS: Final = (
    "aac,ac3,aiff,amr,asf,au,avi,caf,eac3,flac,flv,loas,matroska,mov,mp3,mpeg,mpegts,ogg,tta,w64,wav,wv"
)
_LENGTH_UNSURE: Final = frozenset(
    {"aac", "ac3", "aiff", "amr", "asf", "au", "avi", "eac3", "loas", "mp3", "mpeg", "mpegts", "w64", "wav"}
)
"""Formats whose header has no sample count, so that FFmpeg estimates the length, or often a wrong one."""

_ENDS_IN_A_FRAME: Final = frozenset({"aac", "ac3", "amr", "eac3", "flac", "loas", "mp3", "tta", "wv"})
"""Streams of frames. A file that was cut off ends within a frame, which its last packet shows."""

_RESYNCHRONISED: Final = frozenset({"matroska,webm", "flv"})
"""Demuxers that silently skip damaged data to the next valid position."""

_SKIPPED_BYTES: Final = 100
"""If more than this was skipped and time is missing as well, the recording is damaged. Headers between
packets are shorter."""

_GAPLESS: Final = frozenset({"flac", "ogg", "tta", "wv"})
"""Formats whose recorders leave no gaps in time: what is missing is lost."""

_ALSO_LIBSNDFILES: Final = frozenset({"aiff", "au", "caf", "w64", "wav"})
"""Formats that libsndfile reads too. It has already reported what is wrong with the header."""

_LOST_SECONDS: Final = 0.5
_LOST_SECONDS_BY_FORMAT: Final = {"flac": 0.1, "matroska,webm": 0.25, "ogg": 0.1, "tta": 0.1, "wv": 0.1}
"""A stated length that differs by less than this is not worth a warning. Some formats are precise."""

_TAG_BYTES: Final = 8_192
"""If more bytes than this follow the last frame of a stream, they are not a tag but damaged frames."""

_MP4_BOXES: Final = frozenset({b"ftyp", b"mdat", b"moov", b"free", b"wide", b"skip"})


class NotRecognised(Exception):
    """The file is not in one of the formats that FFmpeg may read here."""


class ContainerReader:
    """Reads one recording with FFmpeg. Implements `speech.audio.reader.Reader`."""

    def __init__(self, file: FilePart, defects: Defects) -> None:
        """Open a recording. The caller still owns its descriptor.

        Raises:
            NotRecognised: FFmpeg may not read the format.
            AudioUnreadable, AudioUnsupported: nothing of it can be decoded, or its codec is not supported.
            MemoryError: memory ran out.
        """
        self._part, self._defects = file, defects
        self._has_gaps = False
        self._file = FileBytes(without_avi_index(file))
        self._container = self._open()
        try:
            self._file.check()
            self.format = self._container.format.name
            self._stream = self._choose()
            decoder = make_decoder(self._stream)
            demuxed = self._stream if self._seeks else None
            self._packets = PacketDecoder(self._container, self._stream, decoder, demuxed, self._file)
            self.counts = self.format not in _LENGTH_UNSURE
            self.seconds = self._header_seconds()
            frames = iter(self._packets)
            # Decode a frame first: a header may state half the real rate and channels (HE-AAC's SBR and PS).
            first = next(frames, None)
            if first is None and (self._packets.failures or (self.counts and self.seconds)):
                raise AudioUnreadable(
                    "The file could not be read as audio: nothing in it can be decoded. "
                    "Copy it again from its source."
                )
            self.source_rate: int = decoder.sample_rate if first is None else first.sample_rate
            self.channels = decoder.channels if first is None else first.layout.nb_channels
            self._decoded = frames if first is None else chain([first], frames)
            self._timeline = Timeline(self.source_rate, self._origin())
        except BaseException:
            self.close()
            raise

    def _open(self) -> InputContainer:
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
            check_memory(error)
            if self._part.read(0, 8)[4:] in _MP4_BOXES:
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
        if self.format == "mp3":
            indexed = indexed_seconds(self._part.read(self._file.begin, INDEX_REACH))
            self.counts = indexed is not None
            if indexed is not None:
                return indexed
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
        return self._packets.position

    def blocks(self) -> Iterator[Block]:
        timeline, packets = self._timeline, self._packets
        pending: list[Samples] = []
        samples = 0
        for frame in self._decoded:
            block = as_float(frame)
            is_other = frame.sample_rate != timeline.rate
            if pending and (is_other or pending[0].shape[1] != block.shape[1]):
                yield Block(np.concatenate(pending), timeline.rate)
                pending, samples = [], 0
            if is_other:
                timeline.change_rate(frame.sample_rate)
            gap = 0 if packets.is_gapless else self._gap()
            if gap:
                if pending:
                    yield Block(np.concatenate(pending), timeline.rate)
                    pending, samples = [], 0
                yield from _silence(gap, block.shape[1], timeline.rate)
            timeline.advance(gap + len(block))
            pending.append(block)
            samples += block.size
            if samples >= BLOCK_SAMPLES:
                yield Block(np.concatenate(pending), timeline.rate)
                pending, samples = [], 0
        if pending:
            yield Block(np.concatenate(pending), timeline.rate)
        packets.check_share(self._part.size - self._file.begin)
        self._check_end()

    def _gap(self) -> int:
        """Return the samples of silence before the frame just decoded, and note them if they are damage."""
        timeline, packets = self._timeline, self._packets
        begin = timeline.seconds
        lost = packets.take_losses()
        if packets.counts_frames:
            gap, is_damage = round(lost.seconds * timeline.rate), True
        else:
            was_skipped = self.format in _RESYNCHRONISED and lost.skipped_bytes > _SKIPPED_BYTES
            gap = timeline.gap(packets.time, is_known=lost.failures > 0 or was_skipped)
            is_damage = was_skipped or (self.format in (*_GAPLESS, "asf") and begin > 0)
        if lost.failures or (gap and is_damage):
            self._has_gaps = True
            self._defects.gap(begin, begin + gap / timeline.rate)
        return gap

    def _check_end(self) -> None:
        """Note whether the recording was cut off, is damaged at the end, or contradicts its header."""
        found, packets = self._timeline.seconds, self._packets
        lost = self.seconds - found if self.counts and self.seconds else 0.0
        pending = packets.take_losses()
        enough = _LOST_SECONDS_BY_FORMAT.get(self.format, _LOST_SECONDS)
        ends_in_a_frame = self.format in _ENDS_IN_A_FRAME
        is_cut = packets.ended_in_a_frame if ends_in_a_frame else is_cut_off(self._part)
        if is_cut:
            self._defects.cut(found, lost if lost > enough else None)
        elif pending.failures:
            self._defects.gap(found, found + max(lost, pending.seconds))
        elif lost > enough and (not ends_in_a_frame or self._has_gaps or self._has_rest()):
            self._defects.gap(found, found + lost)
        elif self.format == "ogg" and has_damaged_last_page(self._part):
            self._defects.gap(found, found)
        elif self.counts and self.seconds and abs(lost) > enough:
            self._defects.length(self.seconds, found)

    def _has_rest(self) -> bool:
        """Return whether more than tags follow the last frame."""
        return self._part.size - self._packets.position > _TAG_BYTES

    def close(self) -> None:
        self._container.close()


def _open_nothing(*_: object) -> NoReturn:
    raise PermissionError("A recording may not name other files.")


def _silence(samples: int, channels: int, rate: int) -> Iterator[Block]:
    most = max(BLOCK_SAMPLES // channels, 1)
    for begin in range(0, samples, most):
        yield Block(np.zeros((min(most, samples - begin), channels), np.float32), rate)
