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
    from speech.engine import BEAM, DECODERS, GREEDY, Engine
    from speech.model_folder import FLOAT32, GRAPHS, INT8, WORD_MARK, ModelFolder, read_tokens
    from speech.text import NORMALISER, normalise_for_scoring
    from speech.transcription import Transcription
    from speech.utterances import Utterance

__all__ = [
    "BEAM",
    "DECODERS",
    "FLOAT32",
    "GRAPHS",
    "GREEDY",
    "INT8",
    "NORMALISER",
    "WORD_MARK",
    "AudioTooLong",
    "AudioUnreadable",
    "AudioUnsupported",
    "Engine",
    "Event",
    "HotwordsUnsupported",
    "ModelFolder",
    "ModelInvalid",
    "ModelNotFound",
    "Progress",
    "SpeechError",
    "Summary",
    "Transcription",
    "Utterance",
    "normalise_for_scoring",
    "read_tokens",
]

_MODULES: Final = {
    "speech.engine": ("BEAM", "DECODERS", "GREEDY", "Engine"),
    "speech.model_folder": ("FLOAT32", "GRAPHS", "INT8", "WORD_MARK", "ModelFolder", "read_tokens"),
    "speech.text": ("NORMALISER", "normalise_for_scoring"),
    "speech.transcription": ("Transcription",),
    "speech.utterances": ("Utterance",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
