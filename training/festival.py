"""Festival's Hindi voice, diphones of a human speaker, in one process that lives as long as its owner."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

# The voice leaves its intonation method to whichever voice was used before it: here there is none.
_SETUP = """(voice_hindi_NSK_diphone)
(set! int_tone_cart_tree '((NONE)))
(Parameter.set 'Int_Method Intonation_Tree)
"""
# Without its lexicon the voice loads, and says nothing.
_TRIAL = "नमस्ते"
_LACKING = "Festival speaks no Hindi here: are festival, festival-hi and festvox-hi-nsk installed?"


class Festival:
    """Needs the system packages festival, festival-hi and festvox-hi-nsk.

    Raises:
        RuntimeError: Festival does not speak Hindi here.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="festival-")
        self._wav = Path(self._folder.name) / "spoken.wav"
        self._start()
        if self.synthesise(_TRIAL, 1.0) is None:
            raise RuntimeError(_LACKING)

    def _start(self) -> None:
        self._process = subprocess.Popen(
            ["festival", "--pipe"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        if not self._tell(_SETUP):
            raise RuntimeError(_LACKING)

    def _tell(self, commands: str) -> bool:
        """Run Scheme commands; False when Festival did not live to the end of them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f'{commands}(format t "\\nDONE\\n")(fflush nil)\n')
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        return any(line.strip() == "DONE" for line in self._process.stdout)

    def synthesise(self, text: str, stretch: float) -> tuple[np.ndarray, int] | None:
        """Speak plain Hindi `text` (letters and spaces, no danda): float32 (samples,) and its sample rate.

        `stretch` is the length of sounds, 1.4 being the voice's own. None for a text that Festival cannot
        say: some end its process, and a new one is started.
        """
        self._wav.unlink(missing_ok=True)
        spoken = self._tell(
            f"(Parameter.set 'Duration_Stretch {stretch:.2f})"
            f'(utt.save.wave (utt.synth (Utterance Text "{text}")) "{self._wav}" \'riff)\n'
        )
        if not spoken:
            self._process.wait(timeout=10)
            self._start()
        if not spoken or not self._wav.exists():
            return None
        audio, rate = soundfile.read(self._wav, dtype="float32")
        return audio, rate

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=10)
        self._folder.cleanup()
