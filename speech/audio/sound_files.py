"""Read files that store samples plainly (WAV, RF64, W64, AIFF, CAF, AU) with libsndfile."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import soundfile

from speech.audio.blocks import BLOCK_SAMPLES, Block
from speech.audio.defects import Defects
from speech.audio.structure import FilePart, PatchedFile, SampleData, find_samples
from speech.errors import AudioUnreadable, AudioUnsupported, SpeechError

FORMATS: Final = frozenset({"WAV", "WAVEX", "RF64", "W64", "AIFF", "CAF", "AU"})
MAX_CHANNELS: Final = 1024
"""libsndfile's limit."""

_FFMPEGS: Final = (b"fLaC", b"OggS", b"ID3", b"\xff")
"""First bytes of formats that libsndfile knows too and is not asked for."""

_DISAGREES_SECONDS: Final = 0.5
"""A stated length that differs by less than this is not worth a warning."""

_UNKNOWN_FRAMES: Final = 1 << 62


class NotTaken(Exception):
    """libsndfile does not read this file. `refusal` is the error to raise if no other reader does either."""

    def __init__(self, refusal: SpeechError) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class _Stream(soundfile.SoundFile):  # type: ignore[misc] # soundfile has no types
    """A SoundFile that claims not to be seekable, for sequential reading.

    After each read of a seekable file, soundfile seeks to the current position, which costs time.
    """

    def seekable(self) -> bool:
        return False


class SoundFileReader:
    """Reads one recording with libsndfile. Implements `speech.audio.reader.Reader`."""

    def __init__(self, file: FilePart, defects: Defects) -> None:
        """Open a recording. The caller still owns its descriptor.

        Raises:
            NotTaken: libsndfile does not read the format, or cannot read the file.
            AudioUnsupported: the file has too many channels for any reader.
        """
        self._file, self._defects = file, defects
        self._done = 0
        self._data = find_samples(file)
        self._sound = self._open(self._data)
        self.format: str = self._sound.format
        self.source_rate: int = self._sound.samplerate
        self.channels: int = self._sound.channels
        frames = self._sound.frames
        self.seconds = frames / self.source_rate if 0 <= frames < _UNKNOWN_FRAMES else None
        self.counts = True
        if self.format not in FORMATS:
            self.close()
            raise NotTaken(
                AudioUnsupported(f"{self.format} files are not read. Convert the recording to WAV or FLAC.")
            )

    def _open(self, data: SampleData | None) -> Any:
        file, patches = self._file, data.patches if data else ()
        is_whole = not file.begin and file.end == os.fstat(file.fd).st_size
        os.lseek(file.fd, 0, os.SEEK_SET)
        try:
            if is_whole and not patches:
                return _Stream(file.fd, closefd=False)
            return _Stream(PatchedFile(file, patches))
        except soundfile.LibsndfileError as error:
            if "Too many channels" in error.error_string:
                raise AudioUnsupported(f"The recording has more than {MAX_CHANNELS} channels.") from error
            refusal = AudioUnreadable(f"The file could not be read as audio. {_reason(error)}")
            raise NotTaken(refusal) from error

    @property
    def position(self) -> int:
        return min(self._done, self._file.size)

    def blocks(self) -> Iterator[Block]:
        frames = max(BLOCK_SAMPLES // self.channels, 1)
        decoded = 0
        first = self._data.begin if self._data else 0
        size = (self._data.size if self._data else self._file.size) / max(self._sound.frames, 1)
        while True:
            try:
                block: npt.NDArray[np.float32] = self._sound.read(frames, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError:
                self._defects.cut(decoded / self.source_rate, None)
                return
            if not len(block):
                break
            decoded += len(block)
            self._done = first + round(decoded * size)
            yield Block(block, self.source_rate)
        self._check_length(decoded / self.source_rate)

    def _check_length(self, seconds: float) -> None:
        """Compare the stated length with what is there."""
        data = self._data
        if data is None or data.stated is None or not data.size:
            return
        stated = seconds * data.stated / data.size
        if data.stated > data.size:
            self._defects.cut(seconds, stated - seconds)
        elif seconds - stated > _DISAGREES_SECONDS:
            self._defects.length(stated, seconds)

    def close(self) -> None:
        with contextlib.suppress(soundfile.LibsndfileError):
            self._sound.close()


def refusal_of(file: FilePart) -> SpeechError:
    """Return the error for a file that no reader takes. It names the format if libsndfile knows it."""
    unknown = AudioUnreadable(
        "The file could not be read as audio. It is in no format that is known here, or its beginning is "
        "damaged."
    )
    if file.read(0, 4).startswith(_FFMPEGS):
        return unknown
    try:
        SoundFileReader(file, Defects()).close()
    except NotTaken as error:
        return error.refusal if isinstance(error.refusal, AudioUnsupported) else unknown
    except AudioUnsupported as error:
        return error
    return unknown


def _reason(error: soundfile.LibsndfileError) -> str:
    """Return libsndfile's message as a sentence."""
    words = str(error.error_string).removeprefix("Error : ").strip()
    if words.startswith("Format not recognised"):
        return "It is in no format that is known here, or its beginning is damaged."
    return words if words.endswith((".", "!", "?")) else words + "."
