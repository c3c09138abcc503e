"""The engine: audio in, words out. It knows no job, no database and no queue.

>>> from speech import Engine
>>> engine = Engine.load(Path("models/hi-ctc-base"))
>>> with engine.transcribe("recording.wav") as transcription:
...     for segment in transcription.segments():
...         print(segment.start, segment.text)

Only errors and events load with the package. Everything else is imported when it is first used, so that an
error class costs neither numpy nor ONNX Runtime.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from speech.errors import (
    AudioTooLong,
    AudioUnreadable,
    AudioUnsupported,
    HotwordsUnsupported,
    ModelInvalid,
    ModelNotFound,
    SpeechError,
)
from speech.events import Event, Progress, Summary

if TYPE_CHECKING:
    from speech.chunk_recogniser import ChunkRecogniser
    from speech.engine import Engine
    from speech.gpu import Device, gpu_memory_limit, is_gpu_exhausted, usable_gpu_memory
    from speech.live import LiveTranscription, samples_of
    from speech.model_folder import CTRANSLATE2_WEIGHTS, GRAPHS, WORD_MARK, ModelFolder, read_tokens, sha256
    from speech.preview import Preview
    from speech.text import NORMALISER, normalise_for_scoring
    from speech.transcription import Transcription
    from speech.utterance_stream import Utterance

__all__ = [
    "CTRANSLATE2_WEIGHTS",
    "GRAPHS",
    "NORMALISER",
    "WORD_MARK",
    "AudioTooLong",
    "AudioUnreadable",
    "AudioUnsupported",
    "ChunkRecogniser",
    "Device",
    "Engine",
    "Event",
    "HotwordsUnsupported",
    "LiveTranscription",
    "ModelFolder",
    "ModelInvalid",
    "ModelNotFound",
    "Preview",
    "Progress",
    "SpeechError",
    "Summary",
    "Transcription",
    "Utterance",
    "gpu_memory_limit",
    "is_gpu_exhausted",
    "normalise_for_scoring",
    "read_tokens",
    "samples_of",
    "sha256",
    "usable_gpu_memory",
]

_MODULES: Final = {
    "speech.chunk_recogniser": ("ChunkRecogniser",),
    "speech.engine": ("Engine",),
    "speech.live": ("LiveTranscription", "samples_of"),
    "speech.model_folder": (
        "CTRANSLATE2_WEIGHTS",
        "GRAPHS",
        "WORD_MARK",
        "ModelFolder",
        "read_tokens",
        "sha256",
    ),
    "speech.gpu": ("Device", "gpu_memory_limit", "is_gpu_exhausted", "usable_gpu_memory"),
    "speech.preview": ("Preview",),
    "speech.text": ("NORMALISER", "normalise_for_scoring"),
    "speech.transcription": ("Transcription",),
    "speech.utterance_stream": ("Utterance",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
