"""What can go wrong, each with a stable code and a sentence for the person whose recording it is.

A recording without speech (empty, silent or very short) is no error: it gives no words.
"""

from typing import ClassVar


class SpeechError(Exception):
    """Base of the engine's errors. All of them are permanent: the same input fails again."""

    code: ClassVar[str] = "speech_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class AudioUnreadable(SpeechError):
    """The file is no audio, is damaged, or holds samples that are not numbers."""

    code = "audio_unreadable"


class AudioUnsupported(SpeechError):
    """The file is audio of a kind that is not taken: its format, sample rate, channel count or scale."""

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
    """Hot-words were given where no beam search heeds them."""

    code = "hotwords_unsupported"
