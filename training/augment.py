"""Cheap waveform augmentation on a CPU: speed, surroundings, room, equaliser, telephone band, noise, babble,
gain."""

import numpy as np
import numpy.typing as npt
from scipy import fft

from training.recipe import MAX_SECONDS, SAMPLE_RATE

Rng = np.random.Generator
Samples = npt.NDArray[np.float32]
Curve = npt.NDArray[np.float64]


def change_speed(x: Samples, factor: float) -> Samples:
    """Tempo and pitch together, by linear interpolation; `factor` above 1 is faster."""
    where = np.arange(max(1, int(len(x) / factor))) * factor
    below = np.minimum(where.astype(np.intp), len(x) - 1)
    share = (where - below).astype(np.float32)
    low = x[below]
    made: Samples = low + (x[np.minimum(below + 1, len(x) - 1)] - low) * share
    return made


_POINTS = 2048
"""Of a curve over frequency before it is drawn out to a spectrum's length."""


def _factor(decibels: float) -> np.float32:
    return np.float32(10 ** (decibels / 20))


def _gains(decibels: Curve, size: int) -> Samples:
    """A curve in decibels as factors of `size` frequencies; single precision halves what a batch costs."""
    where = np.linspace(0, 1, len(decibels))
    made: Samples = np.interp(np.linspace(0, 1, size, dtype=np.float32), where, 10 ** (decibels / 20)).astype(
        np.float32
    )
    return made


def _level(x: Samples) -> np.float32:
    """Root of the mean square."""
    return np.float32(np.sqrt(np.dot(x, x) / max(1, len(x))))


def _of_unit_power(x: Samples) -> Samples:
    """x itself, scaled in place."""
    x /= _level(x) + np.float32(1e-9)
    return x


def _smooth_curve(rng: Rng, size: int, spread: float) -> Curve:
    """Random gain in decibels over frequency, from six points a mel-like distance apart."""
    points = np.array([0.0, 0.03, 0.08, 0.2, 0.5, 1.0])
    return np.interp(np.linspace(0, 1, size), points, rng.normal(0, spread, len(points)))


def _band(size: int, low: float, high: float) -> Curve:
    """Attenuation in decibels outside `low` to `high` hertz, 24 decibels an octave, 50 at most."""
    hertz = np.linspace(1, SAMPLE_RATE / 2, size)
    octaves = np.maximum(0, np.maximum(np.log2(low / hertz), np.log2(hertz / high)))
    return -np.minimum(50.0, 24.0 * octaves)


def noise(rng: Rng, count: int) -> Samples:
    """Noise of unit power with a random spectral slope, from white to deep brown."""
    size = fft.next_fast_len(max(256, count), real=True)
    spectrum = fft.rfft(rng.standard_normal(size, dtype=np.float32))
    places = np.arange(1, _POINTS + 1) * (len(spectrum) / _POINTS)
    decibels = _smooth_curve(rng, _POINTS, 4.0) - 20 * rng.uniform(0.0, 1.2) * np.log10(places)
    made: Samples = fft.irfft(spectrum * _gains(decibels, len(spectrum)), size)[:count]
    return _of_unit_power(made)


def _stepped(rng: Rng, count: int, shortest: float, longest: float, low: float, high: float) -> Samples:
    """Values from `low` to `high`, each held for some seconds, drawn anew until `count` samples are full."""
    steps = 1 + int(count / (shortest * SAMPLE_RATE))
    lengths = (rng.uniform(shortest, longest, steps) * SAMPLE_RATE).astype(np.intp) + 1
    made: Samples = np.repeat(rng.uniform(low, high, steps).astype(np.float32), lengths)[:count]
    return made


def tones(rng: Rng, count: int) -> Samples:
    """One to four voices of harmonic notes of unit power, as of instruments, engines and rings."""
    made = np.zeros(count, np.float32)
    shortest = float(rng.uniform(0.05, 0.5))
    for _ in range(rng.integers(1, 5)):
        pitch = 2.0 ** _stepped(rng, count, shortest, 3 * shortest, 6.0, 10.5)
        turns = np.cumsum(pitch / SAMPLE_RATE, dtype=np.float64)
        fall = rng.uniform(0.5, 2.0)
        for partial in range(1, rng.integers(2, 6)):
            made += np.sin((2 * np.pi * partial) * (turns % 1.0)).astype(np.float32) * np.float32(
                partial**-fall
            )
    return _of_unit_power(made)


def no_speech(rng: Rng, count: int) -> Samples:
    """Something of unit power in which nobody speaks: noise or notes or both, steady or in bursts.

    None of it is a sound of `benchmarks/sounds.py`, by which the detector and the model are measured.
    """
    kind = rng.random()
    made = noise(rng, count) if kind < 0.6 else tones(rng, count)
    if kind > 0.8:
        made = made + noise(rng, count) * _factor(rng.uniform(-15, 5))
    if rng.random() < 0.6:
        made *= np.exp(_stepped(rng, count, 0.03, rng.uniform(0.1, 0.8), -4.0, 0.0))
    return _of_unit_power(made)


def surrounded(x: Samples, rng: Rng) -> Samples:
    """x with up to four seconds beside it, at one end or both, of silence or of something else than speech.

    Nothing is said there, so a network that hears it learns to write nothing. The whole stays within what a
    network is trained on.
    """
    room = int(MAX_SECONDS * SAMPLE_RATE) - len(x)
    pieces = [x]
    for end in (0, 1):
        length = min(room, int(min(4.0, rng.exponential(1.2)) * SAMPLE_RATE)) if rng.random() < 0.7 else 0
        if length < SAMPLE_RATE // 20:
            continue
        room -= length
        if rng.random() < 0.5:
            beside = np.zeros(length, np.float32)
        else:
            beside = no_speech(rng, length) * (_level(x) * _factor(rng.uniform(-30, 5)))
        pieces.insert(end * len(pieces), beside)
    return np.concatenate(pieces)


def filtered(x: Samples, rng: Rng) -> Samples:
    """Random microphone and room in one pass through the frequency domain."""
    size = fft.next_fast_len(len(x) + 4800, real=True)
    spectrum = fft.rfft(x, size)
    decibels = _smooth_curve(rng, _POINTS, 5.0)
    kind = rng.random()
    if kind < 0.2:
        decibels += _band(_POINTS, rng.uniform(200, 400), rng.uniform(3000, 3700))
    elif kind < 0.5:
        decibels += _band(_POINTS, rng.uniform(40, 250), rng.uniform(3800, 7900))
    spectrum *= _gains(decibels, len(spectrum))
    if rng.random() < 0.5:
        steps = np.arange(4800, dtype=np.float32)
        decay = np.exp(-steps / np.float32(SAMPLE_RATE * rng.uniform(0.02, 0.12)))
        response = rng.standard_normal(4800, dtype=np.float32) * decay
        response *= np.float32(rng.uniform(0.1, 0.7)) / (np.sqrt(np.sum(response**2)) + np.float32(1e-9))
        response[0] = 1.0
        spectrum *= fft.rfft(response, size)
    made: Samples = fft.irfft(spectrum, size)[: len(x)]
    return made


def augment(x: Samples, rng: Rng, babble: Samples, real: bool = False) -> Samples:
    """One random view of x (samples,) float32; `babble` is other speech to lay under it.

    A `real` recording has a room, a microphone and noise of its own, and gets less of ours.
    """
    if rng.random() < 0.8:
        x = change_speed(x, float(rng.uniform(0.85, 1.18)))
    pad = rng.integers(0, SAMPLE_RATE // 3, 2)
    x = np.pad(x, (int(pad[0]), int(pad[1])))
    level = _level(x) + np.float32(1e-6)
    if rng.random() < 0.35:
        x = surrounded(x, rng)
    if rng.random() < (0.5 if real else 0.75):
        whole = _level(x) + np.float32(1e-6)
        x = filtered(x, rng)
        level = level * (_level(x) / whole)
    x = x + noise(rng, len(x)) * (level * _factor(-rng.uniform(15 if real else 5, 50)))
    if rng.random() < (0.08 if real else 0.15) and len(babble):
        under = np.resize(babble, len(x))
        x = x + under * (level / (_level(under) + np.float32(1e-6)) * _factor(-rng.uniform(8, 25)))
    level = _factor(rng.uniform(-45, -15))
    x = x * (level / (_level(x) + np.float32(1e-6)))
    if rng.random() < 0.05:
        x = np.clip(x, -3 * level, 3 * level)
    return np.clip(x, -1, 1).astype(np.float32)
