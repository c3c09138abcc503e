"""Loudness of chunks: gains that let a quiet speaker sound as loud as others to the detector and the model.

Gains are powers of two, which change no sample's mantissa, and never below one: speech at a usual level stays
as it is. Loudness is that of the loudest frames without the very loudest, so a click does not count.
"""

import math

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Samples = npt.NDArray[np.float32]
Decibels = npt.NDArray[np.float32]

LOWEST_DB = -100.0
"""Frames below this level (RMS, relative to full scale) are digital silence: less than one bit in 16."""

TARGET_DB = -20.0
"""Level that quiet speech is raised to, or up to 6 dB less."""

FLOOR_DB = -55.0
"""Level that the detector's noise floor is raised to at most. Higher finds more words in recordings that are
quiet and noisy, and takes the rustle of an empty room for speech."""

NEAR_SECONDS = 1.5
"""Surroundings, before and after a frame, whose loudness decides the frame's gain for the detector."""

RANGE_DB = 30.0
"""How far below the loudest speaker of a chunk another one may be and still get the full gain."""

CLICK_SECONDS = 0.08
"""Sound that is louder than the rest for less than this does not count."""

OVER_FLOOR_DB = 9.0
"""A frame that exceeds the noise floor by this is sound, not pause."""

LEVEL_STEP_DB = 18.0
"""Phrases that are less than this below the loudest one keep their level: no speaker is always as loud."""

PAUSE_SECONDS, PHRASE_SECONDS, FADE_SECONDS = 0.25, 0.2, 0.05
"""Shortest pause between two phrases, shortest phrase that is raised, and the time beside a phrase in which
the gain changes."""

OFFSET_STEP = 16
"""An offset is measured on every sixteenth sample."""

HOP_SECONDS = 0.01
_DB_PER_OCTAVE = 20 * math.log10(2)


def frame_levels(frames: Samples) -> Decibels:
    """Return the level of each row of (frames, samples), without its mean, in decibels of full scale."""
    mean = frames.mean(axis=1, dtype=np.float64)
    power = np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / frames.shape[1] - mean**2
    levels: Decibels = (10.0 * np.log10(np.maximum(power, 1e-12))).astype(np.float32)
    return levels


def framed(samples: Samples, frame: int) -> Samples:
    """Return a view of the whole frames of `samples`, shape (frames, frame)."""
    return samples[: len(samples) // frame * frame].reshape(-1, frame)


def stretches(active: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return where active stretches begin, and the places after their last."""
    padded = np.zeros(len(active) + 2, bool)  # np.diff, which pads too, takes five times as long
    padded[1:-1] = active
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return edges[::2], edges[1::2]


def detector_gains(levels: Decibels, frame_seconds: float) -> tuple[npt.NDArray[np.float32], Decibels]:
    """Compute what a detector's frames are multiplied by: each by the loudness around it.

    The gain is limited where it would raise the noise floor of the chunk above FLOOR_DB.

    Args:
        levels: of each frame of a chunk.

    Returns:
        The gain of each frame, and the level around it that counts as loud.
    """
    audible = levels[levels > LOWEST_DB]
    if not audible.size:
        return np.ones(len(levels), np.float32), levels
    around = _loudness_around(
        levels, round(NEAR_SECONDS / frame_seconds), 1 + round(CLICK_SECONDS / frame_seconds)
    )
    around = np.maximum(around, around.max() - RANGE_DB)
    return _gain(np.minimum(TARGET_DB - around, FLOOR_DB - _floor(audible))), around


def raise_quiet(samples: Samples, rate: int) -> Samples:
    """Raise quiet speech to TARGET_DB, and quiet phrases to the loudest one of their waveform.

    What would exceed full scale is clipped: only clicks do.

    Args:
        samples: one waveform for the model, shape (n,).
        rate: samples a second.

    Returns:
        `samples` itself if nothing is to be raised.
    """
    hop = max(round(rate * HOP_SECONDS), 1)
    levels = frame_levels(framed(samples, hop))
    if not levels.size or levels.max() <= LOWEST_DB:
        return samples
    loudness = _loudness(levels)
    gain = _gain(np.float32(TARGET_DB - max(loudness, LOWEST_DB)))
    rises = _phrase_gains(levels)
    if rises is not None:
        gain = np.repeat(rises * gain, hop)
        gain = np.pad(gain, (0, len(samples) - len(gain)), "edge")
    elif gain == 1.0:
        return samples
    return amplified(samples, gain, offset(samples))


def amplified(samples: Samples, gain: npt.NDArray[np.float32] | np.float32, offset: np.float32) -> Samples:
    """Remove an offset and apply a gain. What would exceed full scale is clipped."""
    result: Samples = np.clip((samples - offset) * gain, -1.0, 1.0)
    return result


def offset(samples: Samples) -> np.float32:
    """Return the constant that a waveform is shifted by; 0 if that is within the spread of the rest.

    It is a median, so a click does not count.
    """
    some = samples[::OFFSET_STEP]
    if not len(some):
        return np.float32(0.0)
    middle = np.float32(np.median(some))
    return middle if abs(middle) > np.median(np.abs(some - middle)) else np.float32(0.0)


def _phrase_gains(levels: Decibels) -> npt.NDArray[np.float32] | None:
    """Return gains of frames that make quiet phrases as loud as the loudest. None if none is raised."""
    phrases = _phrases(levels)
    if len(phrases) < 2:
        return None
    loudness = np.array([_loudness(levels[begin:end]) for begin, end in phrases])
    below = loudness.max() - loudness
    long = np.array([end - begin >= PHRASE_SECONDS / HOP_SECONDS for begin, end in phrases])
    raised = long & (below > LEVEL_STEP_DB) & (below <= RANGE_DB + _DB_PER_OCTAVE)
    if not raised.any():
        return None
    octaves = np.where(raised, np.round(below / _DB_PER_OCTAVE), 0.0)
    fade = round(FADE_SECONDS / HOP_SECONDS)
    places = np.array([(begin - fade, end + fade) for begin, end in phrases]).ravel()
    curve = np.interp(np.arange(len(levels)), np.maximum.accumulate(places), np.repeat(octaves, 2))
    gains: npt.NDArray[np.float32] = np.exp2(curve).astype(np.float32)
    return gains


def _phrases(levels: Decibels) -> list[tuple[int, int]]:
    """Find stretches of sound without a pause, as (first frame, frame after the last)."""
    loudest = float(levels.max())
    floor = _floor(levels) + OVER_FLOOR_DB
    sounding = levels > max(floor if floor < loudest - RANGE_DB else LOWEST_DB, loudest - 2 * RANGE_DB)
    begins, ends = stretches(sounding)
    apart = begins[1:] - ends[:-1] >= PAUSE_SECONDS / HOP_SECONDS
    firsts, lasts = begins[np.append(True, apart)], ends[np.append(apart, True)]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _loudness(levels: Decibels) -> float:
    """Return the level that a twentieth of the frames exceed, but more than a click."""
    count = min(max(len(levels) // 20, 1 + round(CLICK_SECONDS / HOP_SECONDS)), len(levels))
    return float(np.partition(levels, -count)[-count])


def _floor(levels: Decibels) -> float:
    """Return the level that a tenth of the frames do not reach."""
    rank = len(levels) // 10
    return float(np.partition(levels, rank)[rank])


def _loudness_around(levels: Decibels, reach: int, count: int) -> Decibels:
    """Return for each frame the `count`-th highest level within `reach` frames of it."""
    windows = sliding_window_view(np.pad(levels, reach, constant_values=2 * LOWEST_DB), 2 * reach + 1)
    found: Decibels = np.partition(windows, -count, axis=1)[:, -count]
    return found


def _gain(decibels: npt.NDArray[np.float32] | np.float32) -> npt.NDArray[np.float32]:
    """Return the largest power of two that is at most a gain in decibels, and at least one."""
    return np.exp2(np.maximum(np.floor(decibels / _DB_PER_OCTAVE), 0.0)).astype(np.float32)
