"""Sounds without speech: generated, from Debian's packages, and the pauses of recordings.

Each kind is either for choosing thresholds or held out for testing them. Nothing is installed or downloaded:
packages that are missing are named.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from benchmarks import sounds
from benchmarks.recordings import Clip, decoded, manifest, pages, voices
from benchmarks.sounds import RATE, Samples, levelled
from speech import Engine, SpeechError
from speech.decoding import GreedyDecoder
from speech.recognisers import as_ctc
from speech.segments import CONTEXT, FRAME, silero_model

Signal = npt.NDArray[np.float64]
Make = Callable[[float, int], npt.NDArray[np.floating]]

SHARE = Path(os.environ.get("SHRUTLEKH_SHARE_DIR", "/usr/share"))
"""Where Debian's packages put their sounds."""

SUFFIXES = (".ogg", ".oga", ".wav", ".flac")

SHORT_SECONDS = 8.0
"""Sounds up to this length are joined, with pauses in between."""


@dataclass(frozen=True, slots=True)
class Nonspeech:
    """A recording without speech.

    Attributes:
        source: "generated", "pauses", or a package.
        held_out: not for choosing thresholds.
        joined: made of many short sounds.
    """

    source: str
    kind: str
    held_out: bool
    samples: Samples
    joined: bool = False

    @property
    def group(self) -> str:
        """What it counts as in tables."""
        if self.source == "pauses":
            return f"pauses of {self.kind}"
        return self.kind if self.source == "generated" else self.source


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package with free sounds.

    Attributes:
        sounds: pattern of its files, below `SHARE`.
        voices: beginnings of the names of files in which somebody speaks.
    """

    name: str
    sounds: str
    held_out: bool
    licence: str
    voices: tuple[str, ...] = ()


PACKAGES = (
    Package(
        "sound-theme-freedesktop",
        "sounds/freedesktop/stereo/*",
        False,
        "CC BY, CC BY-SA, GPL",
        ("audio-channel",),
    ),
    Package("sonic-pi-samples", "sonic-pi/samples/*", False, "CC0", ("glitch_robot", "mehackit_robot")),
    Package("frozen-bubble-data", "games/frozen-bubble/snd/*", False, "GPL-2"),
    Package("oxygen-sounds", "sounds/Oxygen-*", True, "LGPL-3+", ("Oxygen-Sys-File-Open-Foes",)),
    Package("neverball-common", "games/neverball/bgm/*", True, "GPL-2+"),
    Package("extremetuxracer-data", "games/etr/**/*", True, "GPL-2+, CC0"),
    Package("lmms-common", "lmms/samples/*/*", True, "GPL-2+, CC BY-SA", ("bass!", "buzz!", "raving_crowd")),
)


def missing_packages() -> list[str]:
    """Return the names of the packages whose sounds are not installed."""
    return [package.name for package in PACKAGES if not _files(package)]


def _files(package: Package) -> list[Path]:
    return sorted(path for path in SHARE.glob(package.sounds) if path.suffix in SUFFIXES)


def packaged(package: Package) -> list[Nonspeech]:
    """Return the sounds of a package: those of some length, and the short ones joined. Empty if missing."""
    dice = np.random.default_rng(5)
    found, short = [], list[Samples]()
    for path in _files(package):
        if path.name.startswith(package.voices or "/"):
            continue
        try:
            samples = decoded(path, RATE)
        except SpeechError:  # the packages have empty files
            continue
        if len(samples) > SHORT_SECONDS * RATE:
            found.append(Nonspeech(package.name, path.stem, package.held_out, samples))
        elif samples.any():
            pause = np.zeros(round(dice.uniform(0.1, 1.5) * RATE), np.float32)
            short += [levelled(samples), pause]
    if short:
        found.append(Nonspeech(package.name, "short sounds", package.held_out, np.concatenate(short), True))
    return found


def coloured(slope: float) -> Make:
    """Noise whose amplitude falls with frequency to the power of `slope`: 0.5 pink, 1 brown."""

    def make(seconds: float, seed: int) -> Signal:
        count = round(seconds * RATE)
        spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
        frequency = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20.0)
        return np.fft.irfft(spectrum * frequency**-slope, count)

    return make


def hum(hertz: float) -> Make:
    """Mains hum: a tone with all harmonics, and a little noise."""

    def make(seconds: float, seed: int) -> Signal:
        time = np.arange(round(seconds * RATE)) / RATE
        tone = sum(np.sin(2 * np.pi * hertz * k * time + k) / k for k in range(1, 12))
        return np.asarray(tone + 0.02 * np.random.default_rng(seed).normal(size=len(time)))

    return make


def _harmonics(pitch: Signal, resonances: Sequence[tuple[float, float]], dice: np.random.Generator) -> Signal:
    """A voice-like buzz of a pitch contour in hertz, filtered by formants (frequency, bandwidth)."""
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    sound = np.zeros(len(pitch))
    for k in range(1, 40):
        hertz = k * pitch
        gain = sum(1.0 / (1.0 + ((hertz - centre) / width) ** 2) for centre, width in resonances)
        sound += np.where(hertz < 0.45 * RATE, gain / k**0.3, 0.0) * np.sin(k * phase + dice.uniform(0, 6))
    return sound


_OPEN = (
    ((730.0, 90.0), (1090.0, 110.0), (2440.0, 160.0)),
    ((530.0, 80.0), (1840.0, 110.0), (2480.0, 160.0)),
)
_CLOSE = (
    ((300.0, 60.0), (870.0, 90.0), (2240.0, 150.0)),
    ((270.0, 60.0), (2290.0, 110.0), (3010.0, 170.0)),
    ((570.0, 80.0), (840.0, 90.0), (2410.0, 150.0)),
)


def vibrato(vowels: Sequence[Sequence[tuple[float, float]]], voices: int = 1) -> Make:
    """Sung vowels: notes of one to six seconds with vibrato."""

    def make(seconds: float, seed: int) -> Signal:
        dice = np.random.default_rng(seed)
        count = round(seconds * RATE)
        sound = np.zeros(count)
        for _ in range(voices):
            begin = 0
            while begin < count:
                length = min(round(dice.uniform(1.0, 6.0) * RATE), count - begin)
                time = np.arange(length) / RATE
                depth, speed = dice.uniform(0.01, 0.04), dice.uniform(4.5, 6.5)
                base = 130.8 * 2 ** (dice.integers(0, 24) / 12)
                pitch = base * (1 + depth * np.sin(2 * np.pi * speed * time))
                edges = np.minimum(np.minimum(time / 0.08, 1.0), (length / RATE - time) / 0.08)
                vowel = vowels[int(dice.integers(len(vowels)))]
                sound[begin : begin + length] += edges * _harmonics(pitch, vowel, dice)
                begin += length + round(dice.choice([0.0, 0.0, 0.4]) * RATE)
        return sound

    return make


def sweeps(seconds: float, seed: int) -> Signal:
    """Sirens and sweeps from 100 to 4,000 Hz, with overtones."""
    dice = np.random.default_rng(seed)
    count, parts, total = round(seconds * RATE), list[Signal](), 0
    while total < count:
        length = round(dice.uniform(0.5, 5.0) * RATE)
        low, high = np.sort(np.exp(dice.uniform(np.log(100), np.log(4000), 2)))
        course = np.linspace(0, dice.choice([1.0, 2.0, 6.0]) * np.pi, length)
        pitch = low * (high / low) ** (0.5 - 0.5 * np.cos(course))
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        parts.append(np.asarray(sum(np.sin(k * phase) / k**2 * (k * pitch < 7000) for k in (1, 2, 3))))
        total += length
    return np.concatenate(parts)[:count]


def beeps(seconds: float, seed: int) -> Signal:
    """Beeps of appliances, in bursts."""
    return _signals(seconds, seed, lambda dice: (dice.uniform(400, 3500),), (0.05, 0.4), (0.05, 1.2))


def telephone(seconds: float, seed: int) -> Signal:
    """Ring, busy and dialling tones."""
    rows, columns = (697.0, 770.0, 852.0, 941.0), (1209.0, 1336.0, 1477.0)
    tones = [
        (425.0,),
        (400.0, 450.0),
        (350.0, 440.0),
        (480.0, 620.0),
        *((r, c) for r in rows for c in columns),
    ]
    return _signals(seconds, seed, lambda dice: tones[dice.integers(len(tones))], (0.08, 1.0), (0.05, 1.0))


def _signals(
    seconds: float,
    seed: int,
    tone: Callable[[np.random.Generator], Sequence[float]],
    lengths: tuple[float, float],
    pauses: tuple[float, float],
) -> Signal:
    dice = np.random.default_rng(seed)
    sound = np.zeros(round(seconds * RATE))
    begin = 0
    while begin < len(sound):
        frequencies, length = tone(dice), round(dice.uniform(*lengths) * RATE)
        pause = round(dice.uniform(*pauses) * RATE)
        for _ in range(int(dice.integers(1, 8))):
            part = sound[begin : begin + length]
            time = np.arange(len(part)) / RATE
            part += sum(np.sin(2 * np.pi * hertz * time) for hertz in frequencies)
            begin += length + pause
    return sound


def clicks(seconds: float, seed: int) -> Signal:
    """Clicks and crackle at random times."""
    dice = np.random.default_rng(seed)
    sound = np.zeros(round(seconds * RATE))
    sound[dice.integers(0, len(sound), round(8 * seconds))] = dice.normal(size=round(8 * seconds))
    return np.convolve(sound, dice.normal(size=160) * np.exp(-np.arange(160) / 30), "same")


def _bursts(seconds: float, seed: int, rate: float, low: float, high: float, fall: float) -> Signal:
    """Overlapping short bursts of noise, `rate` per second, between two frequencies."""
    dice = np.random.default_rng(seed)
    count = round(seconds * RATE)
    sound = np.zeros(count)
    for start in dice.integers(0, count, round(rate * seconds)):
        length = min(round(0.03 * RATE), count - start)
        time = np.arange(length) / RATE
        hertz = dice.uniform(low, high)
        burst = np.sin(2 * np.pi * hertz * time) + dice.normal(size=length)
        sound[start : start + length] += dice.exponential() * burst * np.exp(-time / fall)
    return sound


def rain(seconds: float, seed: int) -> Signal:
    drops = _bursts(seconds, seed, 400.0, 1000.0, 7000.0, 0.003)
    return drops + 0.3 * np.random.default_rng(seed).normal(size=len(drops))


def applause(seconds: float, seed: int) -> Signal:
    return _bursts(seconds, seed, 60.0, 700.0, 2500.0, 0.008)


def engine_noise(seconds: float, seed: int) -> Signal:
    """A motor that speeds up and slows down."""
    dice = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = 45.0 + 25.0 * np.sin(2 * np.pi * time / 9) + 5.0 * np.sin(2 * np.pi * time / 1.7)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    tone = sum(np.sin(k * phase + dice.uniform(0, 6)) / k**0.8 for k in range(1, 30))
    return np.asarray(tone + 5.0 * coloured(1.0)(seconds, seed) / 0.1)


def speech_shaped(beat: float) -> Make:
    """Noise with the spectrum of speech; with `beat`, swelling like syllables `beat` times a second."""

    def make(seconds: float, seed: int) -> Signal:
        dice = np.random.default_rng(seed)
        count = round(seconds * RATE)
        frequency = np.fft.rfftfreq(count, 1 / RATE)
        shape = 1.0 / (1.0 + (frequency / 500.0) ** 2) ** 0.6 * (frequency > 80.0)
        noise = np.fft.irfft(np.fft.rfft(dice.normal(size=count)) * shape, count)
        if beat:
            knots = np.abs(dice.normal(size=round(seconds * beat) + 2))
            noise *= np.interp(np.arange(count) / RATE * beat, np.arange(len(knots)), knots)
        return noise

    return make


def hall(make: Make) -> Make:
    """A sound with the reverberation of a hall."""

    def reverberant(seconds: float, seed: int) -> Signal:
        dice = np.random.default_rng(seed)
        response = dice.normal(size=RATE) * np.exp(-np.arange(RATE) / RATE / 0.15)
        dry = np.asarray(make(seconds, seed), np.float64)
        size = len(dry) + len(response)
        return np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(response, size), size)[: len(dry)]

    return reverberant


GENERATED: dict[str, Make] = {
    "white noise": sounds.white,
    "pink noise": coloured(0.5),
    "brown noise": coloured(1.0),
    "hum, 50 Hz": hum(50.0),
    "melody": sounds.tune,
    "drums": sounds.beats,
    "clatter": sounds.clatter,
    "beeps": beeps,
    "sweeps": sweeps,
    "sung vowels": vibrato(_OPEN),
    "speech-shaped noise": speech_shaped(0.0),
}
"""For choosing thresholds."""

GENERATED_HELD_OUT: dict[str, Make] = {
    "room tone": sounds.room,
    "street": sounds.street,
    "band": sounds.band,
    "hum, 60 Hz": hum(60.0),
    "telephone tones": telephone,
    "clicks": clicks,
    "rain": rain,
    "applause": applause,
    "motor": engine_noise,
    "choir": vibrato(_CLOSE, voices=4),
    "sung vowels, others": vibrato(_CLOSE),
    "syllables of noise": speech_shaped(5.0),
    "clatter in a hall": hall(sounds.clatter),
}
"""For testing them."""


def generated(seconds: float, seed: int = 1) -> Iterator[Nonspeech]:
    for held_out, makers in ((False, GENERATED), (True, GENERATED_HELD_OUT)):
        for kind, make in makers.items():
            yield Nonspeech("generated", kind, held_out, levelled(make(seconds, seed)))


MARGIN_SECONDS = 0.15
"""Audio beside a word that does not count as a pause."""

SHORTEST_PAUSE = 0.4
FAINT_DB = -75.0
"""Pauses below this level (RMS in dBFS) are digital silence."""

VOICE = 0.15
"""Probability of silero-vad from which corpora without word times may have speech."""

CLIPS = 500
"""Clips taken from a corpus without word times."""


def pauses(engine: Engine) -> Iterator[Nonspeech]:
    """Join the pauses of each corpus: outside of known words and where silero-vad finds no voice."""
    for held_out in (False, True):
        chosen = [page for page in pages(held_out) if page.words]
        # Where the hand-made times are wrong, the detector notices.
        yield _joined("reader-hi", held_out, _by_detector(chosen))
    model = engine.folder
    greedy = GreedyDecoder(model.tokens, model.blank_id, model.frame_stride)
    yield _joined("cv-hi", False, _by_model(voices(), engine, greedy))
    others = sorted(manifest("cv-multilingual"), key=lambda clip: str(clip.path))
    halves = others[: len(others) // 2], others[len(others) // 2 :]
    for held_out, clips in zip((False, True), halves, strict=True):
        yield _joined("cv-multilingual", held_out, _by_detector(_some(clips)))
    yield _joined("ml-msc", True, _by_detector(_some(manifest("other/ml-msc"))))


def _some(clips: Sequence[Clip]) -> Sequence[Clip]:
    return clips[:: max(len(clips) // CLIPS, 1)]


def _by_model(
    clips: Iterable[Clip], engine: Engine, greedy: GreedyDecoder
) -> Iterator[tuple[Samples, Sequence[tuple[float, float]]]]:
    """Words by the best path of the model, with a wide margin."""
    for clip in clips:
        samples = decoded(clip.path, RATE)
        words = greedy.words(as_ctc(engine.recogniser).log_probs([samples])[0])
        yield samples, [(word.start - 0.2, word.end + 0.2) for word in words]


def _by_detector(clips: Sequence[Clip]) -> Iterator[tuple[Samples, Sequence[tuple[float, float]]]]:
    """Words with known times, and frames in which silero-vad may hear a voice, with a wide margin."""
    path = silero_model()
    if path is None:
        return
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    everything = sorted(
        ((decoded(clip.path, RATE), clip.words) for clip in clips), key=lambda one: len(one[0])
    )
    for first in range(0, len(everything), 50):  # clips of similar length go together
        batch = everything[first : first + 50]
        frames = len(batch[-1][0]) // FRAME + 1
        heard = np.zeros((len(batch), CONTEXT + frames * FRAME), np.float32)
        for row, (samples, _) in zip(heard, batch, strict=True):
            row[CONTEXT : CONTEXT + len(samples)] = samples
        state = np.zeros((2, len(batch), 128), np.float32)
        voice = np.zeros((len(batch), frames), bool)
        for frame in range(frames):
            window = heard[:, frame * FRAME : frame * FRAME + CONTEXT + FRAME]
            found, state = session.run(
                None, {"input": window, "state": state, "sr": np.array(RATE, np.int64)}
            )
            voice[:, frame] = found[:, 0] >= VOICE
        for (samples, words), active in zip(batch, voice, strict=True):
            times = np.flatnonzero(active) * FRAME / RATE
            spans = [(time - 0.2, time + FRAME / RATE + 0.2) for time in times.tolist()]
            yield samples, [*words, *spans]


def _joined(
    corpus: str, held_out: bool, timed: Iterable[tuple[Samples, Sequence[tuple[float, float]]]]
) -> Nonspeech:
    """Join all audio outside of the words, fading between the parts."""
    parts = [np.zeros(0, np.float32)]
    fade = np.linspace(0.0, 1.0, RATE // 100, dtype=np.float32)
    for samples, words in timed:
        begin = 0.0
        for low, high in [*sorted(words), (len(samples) / RATE + MARGIN_SECONDS, 0.0)]:
            part = samples[round(begin * RATE) : max(round((low - MARGIN_SECONDS) * RATE), 0)].copy()
            if len(part) >= SHORTEST_PAUSE * RATE and np.sqrt(np.mean(part**2)) > 10 ** (FAINT_DB / 20):
                part[: len(fade)] *= fade
                part[-len(fade) :] *= fade[::-1]
                parts.append(part)
            begin = max(begin, high + MARGIN_SECONDS)
    return Nonspeech("pauses", corpus, held_out, np.concatenate(parts), True)
