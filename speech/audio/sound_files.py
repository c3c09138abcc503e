"""Read recordings with libsndfile: WAV, FLAC, Ogg (Vorbis, Opus), MP3, AIFF, CAF, AU."""

import contextlib
import os
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import soundfile

from speech.errors import AudioUnreadable, AudioUnsupported, SpeechError

Samples = npt.NDArray[np.float32]

FORMATS = frozenset({"WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3", "AIFF", "CAF", "AU"})
MAX_CHANNELS = 1024
"""libsndfile's limit."""

_BLOCK_SAMPLES = 65_536
"""Samples per block over all channels: 256 KiB as float32."""

_UNFINISHED_WAV_BYTES = 8_192
"""If more bytes than this follow a data chunk of length zero, they are not metadata but audio whose length
the recorder never wrote."""

_UNDECODED_BYTES = 4_096
"""If more bytes than this follow the last MP3 frame or Ogg page, they are not a tag but undecodable audio."""

_LOST_SECONDS = 0.1
"""An Ogg stream that is shorter than its pages' count by more than this has lost pages."""

_UNKNOWN_FRAMES = 1 << 62


class NotTaken(Exception):
    """libsndfile does not read this file. `refusal` is the error to raise if no other reader does either."""

    def __init__(self, refusal: SpeechError) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class _Stream(soundfile.SoundFile):  # type: ignore[misc] # soundfile has no types
    """A SoundFile that claims not to be seekable, for sequential reading.

    After each read of a seekable file, soundfile seeks to the current position. That makes lossy decoders
    decode twice, with output that depends on the block size. It also stops at the header's frame count.
    """

    def seekable(self) -> bool:
        return False


class SoundFileReader:
    """Reads one open file with libsndfile. Implements `speech.audio.reader.Reader`."""

    def __init__(self, fd: int, size: int) -> None:
        """Open the `size` bytes of the descriptor `fd`, which the caller still owns.

        Raises:
            NotTaken: libsndfile cannot read the file, or not reliably.
            AudioUnsupported: the file has too many channels for any reader.
        """
        self._fd, self._size = fd, size
        os.lseek(fd, 0, os.SEEK_SET)
        try:
            self._sound = _Stream(fd, closefd=False)
        except soundfile.LibsndfileError as error:
            if "Too many channels" in error.error_string:
                raise AudioUnsupported(f"The recording has more than {MAX_CHANNELS} channels.") from error
            refusal = AudioUnreadable(f"The file could not be read as audio. {_reason(error)}")
            raise NotTaken(refusal) from error
        self.format: str = self._sound.format
        self.source_rate: int = self._sound.samplerate
        self.channels: int = self._sound.channels
        frames = self._sound.frames
        self.seconds = frames / self.source_rate if 0 <= frames < _UNKNOWN_FRAMES else None
        self.counts = self.format != "MP3"
        try:
            self._check_format(frames)
        except NotTaken:
            self.close()
            raise

    def _check_format(self, frames: int) -> None:
        if self.format not in FORMATS:
            raise NotTaken(
                AudioUnsupported(f"{self.format} files are not read. Convert the recording to WAV or FLAC.")
            )
        if frames == 0 and self.format == "WAV" and self._size - self.position > _UNFINISHED_WAV_BYTES:
            raise NotTaken(
                AudioUnreadable(
                    "The WAV header says that there are no samples, but data follow: the recorder did not "
                    "finish the file. Repair its header, for example with a converter that ignores the "
                    "stored length."
                )
            )

    @property
    def position(self) -> int:
        return os.lseek(self._fd, 0, os.SEEK_CUR)

    def blocks(self) -> Iterator[Samples]:
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
            yield block
        self._check_complete(decoded / self.source_rate)

    def _check_complete(self, seconds: float) -> None:
        """Detect damage that libsndfile ignores: a stream that ends early, or that has lost pages."""
        if self.format in ("MP3", "OGG") and self._size - self.position > _UNDECODED_BYTES:
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

    def close(self) -> None:
        with contextlib.suppress(soundfile.LibsndfileError):  # a damaged FLAC raises again on close
            self._sound.close()


def _reason(error: soundfile.LibsndfileError) -> str:
    """Return libsndfile's message as a sentence."""
    words = str(error.error_string).removeprefix("Error : ").strip()
    if words.startswith("Format not recognised"):
        return "It is in no format that is known here, or its beginning is damaged."
    return words if words.endswith((".", "!", "?")) else words + "."
