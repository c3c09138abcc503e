"""Make a corpus of natural Hindi speech with Kokoro 82M, in mixtures of its 54 voices.

Kokoro (Apache-2.0) takes IPA phones and a style: 128 values of timbre and 128 of prosody. Each voice has a
style for every number of phones. Mixing styles simulates more speakers.
"""

import csv
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import soundfile
import soxr

from modelkit import read_manifest
from training.recipe import SAMPLE_RATE
from training.synthesis.dequantise import dequantised
from training.synthesis.espeak import Espeak

Samples = npt.NDArray[np.float32]
Style = npt.NDArray[np.float32]
Rng = np.random.Generator

KOKORO_RATE = 24000
COLUMNS = ("path", "text", "seconds", "speaker", "language")
NOT_SPEAKING = frozenset({"am_santa", "em_santa", "pm_santa", "af_nicole"})
"""Voices that whisper or act a character."""
_STYLE_SHAPE = (510, 256)
_TIMBRE = 128
_FEWEST_SIGNS, _MOST_SIGNS = 3, 400
_QUIET = 0.01
_EDGE_BEFORE, _EDGE_AFTER = 800, 1200
"""Samples to keep before the first and after the last one that is not quiet."""
_PEAK = 0.7
_BLOCK = 8
"""Sentences per process between two counts of the hours."""


def read_voices(folder: Path) -> dict[str, Style]:
    """Read the styles by voice: float32 (510, 256), one row per number of phones."""
    return {
        path.stem: np.fromfile(path, np.float32).reshape(_STYLE_SHAPE)
        for path in sorted(folder.glob("*.bin"))
    }


def read_vocabulary(path: Path) -> dict[str, int]:
    """Read the number of each IPA symbol."""
    vocabulary: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))["vocab"]
    return vocabulary


def mixed_style(voices: Mapping[str, Style], count: int, rng: Rng) -> tuple[str, Style]:
    """Draw a speaker: the name and the style (256,) for `count` symbols.

    Two in five are Hindi voices, alone or mixed: "a*0.3+b". The others mix the timbre of any two voices, most
    of them with the prosody of a Hindi voice: "a*0.3+b~h".
    """
    names = [name for name in voices if name not in NOT_SPEAKING]
    hindi = [name for name in names if name.startswith("h")]
    if rng.random() < 0.4:
        first = rng.choice(hindi)
        if rng.random() < 0.5:
            return first, voices[first][count]
        second, share = rng.choice(hindi), rng.uniform(0.2, 0.8)
        mixed = share * voices[first][count] + (1 - share) * voices[second][count]
        return f"{first}*{share:.2f}+{second}", mixed
    first, second = rng.choice(names, 2, replace=False)
    share = rng.uniform(0.1, 0.9)
    style = share * voices[first][count] + (1 - share) * voices[second][count]
    if rng.random() < 0.3:
        return f"{first}*{share:.2f}+{second}", style
    leader, strength = rng.choice(hindi), rng.uniform(0.5, 1.0)
    prosody = strength * voices[leader][count] + (1 - strength) * voices[first][count]
    style = np.concatenate([style[:_TIMBRE], prosody[_TIMBRE:]])
    return f"{first}*{share:.2f}+{second}~{leader}", style


def trimmed(audio: Samples) -> Samples | None:
    """Trim the silence at both ends and scale to a fixed peak; None if everything is quiet."""
    (loud,) = np.nonzero(np.abs(audio) > _QUIET)
    if not len(loud):
        return None
    audio = audio[max(0, loud[0] - _EDGE_BEFORE) : loud[-1] + _EDGE_AFTER]
    return audio * np.float32(_PEAK / np.abs(audio).max())


@dataclass(slots=True)
class Kokoro:
    """A single-threaded session of the model, with its voices and vocabulary."""

    model: Path
    voices: Mapping[str, Style]
    vocabulary: Mapping[str, int]
    session: onnxruntime.InferenceSession = field(init=False)

    def __post_init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_mem_pattern = False
        self.session = onnxruntime.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])

    def signs(self, ipa: str) -> list[int]:
        return [self.vocabulary[sign] for sign in ipa if sign in self.vocabulary]

    def speak(self, signs: Sequence[int], style: Style, speed: float) -> Samples:
        """Synthesise float32 audio at 16 kHz, shape (samples,)."""
        inputs = {
            "tokens": np.array([[0, *signs, 0]], np.int64),
            "style": style.astype(np.float32)[None],
            "speed": np.array([speed], np.float32),
        }
        (audio,) = self.session.run(None, inputs)
        made: Samples = soxr.resample(np.ravel(audio), KOKORO_RATE, SAMPLE_RATE)
        return made

    def clip(self, index: int, ipa: str) -> tuple[str, Samples] | None:
        """Speak sentence number `index`, which is also the seed: speaker and audio; None if impossible."""
        signs = self.signs(ipa)
        if not _FEWEST_SIGNS <= len(signs) <= _MOST_SIGNS:
            return None
        rng = np.random.default_rng([5, index])
        speaker, style = mixed_style(self.voices, len(signs), rng)
        speed = float(np.clip(rng.normal(1.08, 0.16), 0.75, 1.55))
        audio = trimmed(self.speak(signs, style, speed))
        return None if audio is None else (speaker, audio)


def faster(candidates: Sequence[Path], voices: Mapping[str, Style], vocabulary: Mapping[str, int]) -> Path:
    """Return the model that speaks the same sentence in the least time on this machine."""

    def seconds(path: Path) -> float:
        kokoro = Kokoro(path, voices, vocabulary)
        signs = list(islice((n for _ in range(40) for n in vocabulary.values() if n), 60))
        style = next(iter(voices.values()))[len(signs)]
        kokoro.speak(signs, style, 1.0)
        began = time.perf_counter()
        kokoro.speak(signs, style, 1.0)
        return time.perf_counter() - began

    return min(candidates, key=seconds)


def float_model(model: Path) -> Path:
    """Write the model with float32 weights beside it, unless it exists. Returns its path."""
    path = model.with_suffix(".float32.onnx")
    if not path.is_file():
        part = path.with_suffix(".part")
        onnx.save(dequantised(onnx.load(model)), part)
        part.replace(path)
    return path


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence to speak. `path` of its clip is relative to the corpus."""

    index: int
    text: str

    @property
    def path(self) -> str:
        return f"clips/{self.index:06d}.flac"


_KOKORO: Kokoro | None = None
_ESPEAK: Espeak | None = None


def _begin(model: Path, voices: Path, vocabulary: Path) -> None:
    """Initialise a worker process."""
    global _KOKORO, _ESPEAK
    _KOKORO, _ESPEAK = Kokoro(model, read_voices(voices), read_vocabulary(vocabulary)), Espeak()
    _ESPEAK.set_voice("hi")


def _write(task: tuple[Path, Sentence]) -> tuple[str, float] | None:
    """Speak a sentence to its file. Returns speaker and seconds."""
    folder, sentence = task
    if _KOKORO is None or _ESPEAK is None:
        raise RuntimeError("The process has no model.")
    made = _KOKORO.clip(sentence.index, _ESPEAK.ipa(sentence.text))
    if made is None:
        return None
    speaker, audio = made
    path = folder / sentence.path
    part = path.with_suffix(".part")
    soundfile.write(part, audio, SAMPLE_RATE, format="FLAC")
    part.replace(path)
    return speaker, len(audio) / SAMPLE_RATE


def _blocks(sentences: Iterable[str], size: int) -> Iterator[list[Sentence]]:
    numbered = (Sentence(index, text) for index, text in enumerate(sentences))
    while block := list(islice(numbered, size)):
        yield block


def speak(
    folder: Path,
    sentences: Iterable[str],
    hours: float,
    models: tuple[Path, Path, Path],
    processes: int,
    report: Callable[[float], None] = lambda _: None,
) -> float:
    """Speak sentences until the corpus in `folder` has `hours`. Returns its hours.

    The corpus consists of clips/*.flac at 16 kHz and manifest.tsv. Existing clips are not spoken again, and
    sentence number n sounds the same in every run.

    Args:
        models: the model, the folder of voices and the vocabulary.
        report: called with the hours reached.
    """
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.tsv"
    if not manifest.exists():
        manifest.write_text("\t".join(COLUMNS) + "\n", encoding="utf-8")
    seconds: dict[str, float] = {
        entry.path.name: soundfile.info(entry.path).duration for entry in read_manifest(manifest)
    }
    total = sum(seconds.values())
    report(total / 3600)
    with (
        get_context("spawn").Pool(processes, _begin, models) as pool,
        manifest.open("a", encoding="utf-8", newline="") as handle,
    ):
        writer = csv.writer(
            handle, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, escapechar="\\"
        )
        for block in _blocks(sentences, _BLOCK * processes):
            if total >= hours * 3600:
                break
            missing = [sentence for sentence in block if Path(sentence.path).name not in seconds]
            made = pool.imap(_write, [(folder, sentence) for sentence in missing])
            for sentence, clip in zip(missing, made, strict=True):
                if clip is None:
                    continue
                speaker, length = clip
                writer.writerow([sentence.path, sentence.text, f"{length:.2f}", speaker, "hi"])
                handle.flush()
                total += length
                report(total / 3600)
    return total / 3600
