"""espeak-ng as a library: synthetic speech and phones, without a process for each sentence."""

import ctypes
import ctypes.util
import re
import unicodedata
from collections.abc import Iterable

import numpy as np

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_PHONEMES_IPA = 0x02
_RATE, _PITCH, _RANGE = 1, 3, 4
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

# Stress, length, tie, tone, syllable and pause marks say nothing that a listener can spell.
_DROPPED = frozenset(
    "\u02c8\u02cc\u02d0\u02d1"  # stress and length
    "\u035c\u0361\u203f"  # ties
    "\u02bc\u02c0\u02de\u0329\u032f\u030a\u031a"  # glottalisation, rhotic, syllabic, voiceless, unreleased
    "\u02e5\u02e6\u02e7\u02e8\u02e9^0123456789"  # tones
    "._-|'\"?!,;:"
)


class Espeak:
    """One espeak-ng instance. The C library holds global state: use one for each process."""

    def __init__(self) -> None:
        name = ctypes.util.find_library("espeak-ng")
        if name is None:
            raise RuntimeError("The library espeak-ng is missing: install the system package espeak-ng.")
        self._lib = ctypes.CDLL(name)
        self.sample_rate: int = self._lib.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, None, 0)
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
        """Choose a voice such as ``hi`` or ``hi+f3``; False when espeak-ng has none of that name."""
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
        """The IPA of `text` in the chosen voice's language, words apart by spaces."""
        pointer = ctypes.c_char_p(text.encode())
        parts = []
        while pointer.value:
            part = self._lib.espeak_TextToPhonemes(ctypes.byref(pointer), _CHARS_UTF8, _PHONEMES_IPA)
            if part:
                parts.append(part.decode())
        return " ".join(parts).strip()


def phones_of(ipa: str) -> list[str]:
    """Split IPA into phone symbols: aspiration and nasalisation are symbols of their own.

    A language switch in the reading (``(en)...``) gives no phones at all: the sentence is not
    what the speaker of the language said.
    """
    if "(" in ipa:
        return []
    text = re.sub(r"\s+", "", unicodedata.normalize("NFD", ipa))
    return [symbol for symbol in text if symbol not in _DROPPED]


def inventory(sequences: Iterable[list[str]], least: int) -> list[str]:
    """Symbols seen at least `least` times, most frequent first."""
    counts: dict[str, int] = {}
    for sequence in sequences:
        for symbol in sequence:
            counts[symbol] = counts.get(symbol, 0) + 1
    kept = [s for s in counts if counts[s] >= least]
    return sorted(kept, key=lambda s: (-counts[s], s))
