"""Synthetic sounds without speech, determined by a seed."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

RATE = 16_000
LEVEL_DB = -20.0
"""Level of every sound (RMS) in dBFS."""


def white(seconds: float, seed: int = 0) -> Samples:
    return levelled(np.random.default_rng(seed).normal(size=round(seconds * RATE)))


def room(seconds: float, seed: int = 0) -> Samples:
    """Room tone: noise that falls by 6 dB per octave, with mains hum."""
    hiss = _shaped(np.random.default_rng(seed).normal(size=round(seconds * RATE)), -0.5)
    time = np.arange(len(hiss)) / RATE
    hum = sum(np.sin(2 * np.pi * 50 * k * time) / k for k in (1, 2, 3))
    return levelled(hiss / hiss.std() + 0.3 * hum)


def street(seconds: float, seed: int = 0) -> Samples:
    """Traffic: a rumble that swells and fades, with an occasional horn."""
    dice = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    rumble = _shaped(dice.normal(size=len(time)), -1.0)
    rumble *= 1.0 + 0.8 * np.sin(2 * np.pi * time / 7 + dice.uniform(0, 6))
    sound = rumble / rumble.std()
    for start in np.arange(2.0, seconds - 1.0, 6.0):
        part = slice(round(start * RATE), round((start + 0.5) * RATE))
        sound[part] += sum(np.sign(np.sin(2 * np.pi * f * time[part])) for f in (420.0, 520.0))
    return levelled(sound)


def beats(seconds: float, seed: int = 0) -> Samples:
    """Only drums."""
    return levelled(_drums(round(seconds * RATE), np.random.default_rng(seed)))


def tune(seconds: float, seed: int = 0) -> Samples:
    """A plucked melody over held chords."""
    return levelled(_notes(round(seconds * RATE), np.random.default_rng(seed)))


def band(seconds: float, seed: int = 0) -> Samples:
    """Melody, chords and drums."""
    dice, length = np.random.default_rng(seed), round(seconds * RATE)
    return levelled(_notes(length, dice) + 0.5 * _drums(length, dice))


def clatter(seconds: float, seed: int = 0) -> Samples:
    """Knocks, keys and rustling paper, with silence in between."""
    dice = np.random.default_rng(seed)
    sound = np.zeros(round(seconds * RATE))
    for start in np.cumsum(dice.exponential(0.35, round(4 * seconds))):
        length = round(dice.uniform(0.01, 0.25) * RATE)
        place = sound[round(start * RATE) :][:length]
        burst = _shaped(dice.normal(size=length), float(dice.uniform(-0.7, 0.3)))
        fall = np.exp(-np.arange(length) / RATE * dice.uniform(15, 80))
        place += (burst / max(float(burst.std()), 1e-9) * fall * dice.uniform(0.2, 1.0))[: len(place)]
    return levelled(sound)


SOUNDS: dict[str, Callable[[float, int], Samples]] = {
    "white noise": white,
    "room tone": room,
    "street": street,
    "clatter": clatter,
    "drums": beats,
    "melody": tune,
    "band": band,
}


def levelled(sound: npt.NDArray[np.floating], level_db: float = LEVEL_DB) -> Samples:
    """Scale a sound to a level of `level_db` (RMS). Silence is unchanged."""
    loudness = float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0
    factor = 10 ** (level_db / 20) / loudness if loudness else 0.0
    result: Samples = np.clip(sound * factor, -1.0, 1.0).astype(np.float32)
    return result


def mixed(speech: Samples, sound: Samples, snr_db: float) -> Samples:
    """Add a sound, at least as long as the speech, `snr_db` below the mean level of the speech."""
    power = float(np.mean(np.square(speech, dtype=np.float64)))
    behind = levelled(sound[: len(speech)], 10 * np.log10(power) - snr_db)
    result: Samples = np.clip(speech + behind, -1.0, 1.0)
    return result


def _shaped(noise: npt.NDArray[np.float64], slope: float) -> npt.NDArray[np.float64]:
    """Scale the amplitudes of white noise by frequency to the power of `slope`, from 60 Hz."""
    spectrum = np.fft.rfft(noise)
    frequency = np.maximum(np.fft.rfftfreq(len(noise), 1 / RATE), 60.0)
    return np.fft.irfft(spectrum * frequency**slope, len(noise))


def _tone(frequency: float, length: int, fall: float, dice: np.random.Generator) -> npt.NDArray[np.float64]:
    time = np.arange(length) / RATE
    partials = [k for k in range(1, 8) if frequency * k < 0.45 * RATE]
    tone = sum(np.sin(2 * np.pi * frequency * k * time + dice.uniform(0, 6)) / k**1.2 for k in partials)
    edges = np.minimum(np.minimum(time / 0.02, 1.0), (length / RATE - time) / 0.03)
    result: npt.NDArray[np.float64] = tone * edges * np.exp(-fall * time)
    return result


def _notes(length: int, dice: np.random.Generator) -> npt.NDArray[np.float64]:
    """Notes of half a second, with a new chord every two seconds."""
    sound = np.zeros(length + 4 * RATE)
    for note, start in enumerate(range(0, length, RATE // 2)):
        root = (220.0, 174.6, 130.8, 196.0)[note // 4 % 4]
        if note % 4 == 0:
            for interval in (1.0, 1.26, 1.5):
                sound[start : start + 2 * RATE] += 0.6 * _tone(root * interval, 2 * RATE, 0.4, dice)
        pitch = 2 * root * 2 ** (dice.choice([0, 2, 4, 7, 9, 12]) / 12)
        sound[start : start + 7200] += _tone(pitch, 7200, 1.5, dice)
    return sound[:length]


def _drums(length: int, dice: np.random.Generator) -> npt.NDArray[np.float64]:
    """A snare every half second, with a bass drum on every second one."""
    sound = np.zeros(length + RATE)
    time = np.arange(round(0.12 * RATE)) / RATE
    for beat, start in enumerate(range(0, length, RATE // 2)):
        hit = dice.normal(size=len(time)) * np.exp(-40 * time)
        if beat % 2 == 0:
            phase = np.cumsum(120 * np.exp(-30 * time) + 40) / RATE
            hit += 2 * np.sin(2 * np.pi * phase) * np.exp(-15 * time)
        sound[start : start + len(time)] += hit
    return sound[:length]
