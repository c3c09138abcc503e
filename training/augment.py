"""Cheap waveform augmentation on a CPU: speed, room, equaliser, telephone band, noise, babble, gain."""

import numpy as np
import numpy.typing as npt

from training.recipe import SAMPLE_RATE

Rng = np.random.Generator
Samples = npt.NDArray[np.float32]
Curve = npt.NDArray[np.float64]


def change_speed(x: Samples, factor: float) -> Samples:
    """Tempo and pitch together, by linear interpolation; `factor` above 1 is faster."""
    count = max(1, int(len(x) / factor))
    made: Curve = np.interp(np.arange(count) * factor, np.arange(len(x)), x)
    return made.astype(np.float32)


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
    size = 1 << max(8, (count - 1).bit_length())
    spectrum = np.fft.rfft(rng.standard_normal(size, dtype=np.float32))
    slope = np.arange(1, len(spectrum) + 1) ** -rng.uniform(0.0, 1.2)
    shape = slope * 10 ** (_smooth_curve(rng, len(spectrum), 4.0) / 20)
    made: Samples = np.fft.irfft(spectrum * shape, size)[:count].astype(np.float32)
    made /= np.sqrt(np.mean(made**2)) + 1e-9
    return made


def filtered(x: Samples, rng: Rng) -> Samples:
    """Random microphone and room in one pass through the frequency domain."""
    size = 1 << (len(x) + 4800 - 1).bit_length()
    spectrum = np.fft.rfft(x, size)
    decibels = _smooth_curve(rng, len(spectrum), 5.0)
    kind = rng.random()
    if kind < 0.2:
        decibels += _band(len(spectrum), rng.uniform(200, 400), rng.uniform(3000, 3700))
    elif kind < 0.5:
        decibels += _band(len(spectrum), rng.uniform(40, 250), rng.uniform(3800, 7900))
    spectrum = spectrum * 10 ** (decibels / 20)
    if rng.random() < 0.5:
        steps = np.arange(4800)
        decay = np.exp(-steps / (SAMPLE_RATE * rng.uniform(0.02, 0.12)))
        response = rng.standard_normal(4800) * decay
        response *= rng.uniform(0.1, 0.7) / (np.sqrt(np.sum(response**2)) + 1e-9)
        response[0] = 1.0
        spectrum = spectrum * np.fft.rfft(response, size)
    return np.fft.irfft(spectrum, size)[: len(x)].astype(np.float32)


def augment(x: Samples, rng: Rng, babble: Samples, real: bool = False) -> Samples:
    """One random view of x (samples,) float32; `babble` is other speech to lay under it.

    A `real` recording has a room, a microphone and noise of its own, and gets less of ours.
    """
    if rng.random() < 0.8:
        x = change_speed(x, float(rng.uniform(0.85, 1.18)))
    pad = rng.integers(0, SAMPLE_RATE // 3, 2)
    x = np.pad(x, (int(pad[0]), int(pad[1])))
    if rng.random() < (0.5 if real else 0.75):
        x = filtered(x, rng)
    level = np.sqrt(np.mean(x**2)) + 1e-6
    x = x + noise(rng, len(x)) * level * 10 ** (-rng.uniform(15 if real else 5, 50) / 20)
    if rng.random() < (0.08 if real else 0.15) and len(babble):
        under = np.resize(babble, len(x))
        x = x + under * (level / (np.sqrt(np.mean(under**2)) + 1e-6)) * 10 ** (-rng.uniform(8, 25) / 20)
    level = 10 ** (rng.uniform(-45, -15) / 20)
    x = x * (level / (np.sqrt(np.mean(x**2)) + 1e-6))
    if rng.random() < 0.05:
        x = np.clip(x, -3 * level, 3 * level)
    return np.clip(x, -1, 1).astype(np.float32)
