"""Errors of the engine, each with a stable code and a message for the user who uploaded the recording.

A recording without speech (empty, silent or very short) is not an error: it gives no words.
"""

from typing import ClassVar


class SpeechError(Exception):
    """Base of the engine's errors. All of them are permanent: the same input fails again."""

    code: ClassVar[str] = "speech_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class AudioUnreadable(SpeechError):
    """The file is not audio, is damaged, or has samples that are not numbers."""

    code = "audio_unreadable"


class AudioUnsupported(SpeechError):
    """The format, sample rate, channel count or sample scale is not supported."""

    code = "audio_unsupported"


class AudioTooLong(SpeechError):
    """The recording is longer than the caller allows."""

    code = "audio_too_long"


class ModelNotFound(SpeechError):
    """There is no model folder at the path."""

    code = "model_not_found"


class ModelInvalid(SpeechError):
    """The model folder is incomplete, contradicts itself, or its graph breaks the interface."""

    code = "model_invalid"


class HotwordsUnsupported(SpeechError):
    """Hot-words were given, but beam search is not available or not chosen."""

    code = "hotwords_unsupported"
