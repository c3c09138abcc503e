"""espeak-ng as a library: synthetic speech and phones, without a process per sentence."""

import ctypes
import ctypes.util
import importlib
from importlib.util import find_spec

import numpy as np

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_PHONEMES_IPA = 0x02
_RATE, _PITCH, _RANGE = 1, 3, 4
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def _library() -> tuple[str, bytes | None]:
    """Find the system's espeak-ng, or that of the Python package espeakng-loader with its data folder."""
    name = ctypes.util.find_library("espeak-ng")
    if name is not None:
        return name, None
    try:
        loader = importlib.import_module("espeakng_loader")
    except ImportError:
        message = "espeak-ng is missing: install the system package espeak-ng, or espeakng-loader with pip."
        raise RuntimeError(message) from None
    return loader.get_library_path(), loader.get_data_path().encode()


def is_available() -> bool:
    """Return whether espeak-ng is installed, without loading it."""
    return ctypes.util.find_library("espeak-ng") is not None or find_spec("espeakng_loader") is not None


class Espeak:
    """The espeak-ng of this process. The C library has global state, so create only one per process."""

    def __init__(self) -> None:
        name, data = _library()
        self._lib = ctypes.CDLL(name)
        self.sample_rate: int = self._lib.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, data, 0)
        if self.sample_rate <= 0:
            raise RuntimeError("espeak-ng could not be initialised.")
        self._blocks: list[np.ndarray] = []
        self._callback = _CALLBACK(self._collect)  # kept: the C side holds only a pointer
        self._lib.espeak_SetSynthCallback(self._callback)
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._voice = ""

    def _collect(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: object) -> int:
        if samples and count > 0:
            self._blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def set_voice(self, voice: str) -> bool:
        """Choose a voice such as ``hi`` or ``hi+f3``. Returns False if it does not exist."""
        if voice != self._voice:
            if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
                return False
            self._voice = voice
        return True

    def synthesise(self, text: str, rate: int = 160, pitch: int = 50, pitch_range: int = 50) -> np.ndarray:
        """Speak `text` with the chosen voice: int16, shape (samples,), at ``sample_rate``."""
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
            self._lib.espeak_SetParameter(parameter, value, 0)
        self._blocks.clear()
        data = text.encode()
        self._lib.espeak_Synth(data, ctypes.c_size_t(len(data) + 1), 0, 0, 0, _CHARS_UTF8, None, None)
        self._lib.espeak_Synchronize()
        return np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.int16)

    def ipa(self, text: str) -> str:
        """Return the IPA of `text` in the chosen voice's language, words separated by spaces."""
        pointer = ctypes.c_char_p(text.encode())
        parts = []
        while pointer.value:
            part = self._lib.espeak_TextToPhonemes(ctypes.byref(pointer), _CHARS_UTF8, _PHONEMES_IPA)
            if part:
                parts.append(part.decode())
        return " ".join(parts).strip()
