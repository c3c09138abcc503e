"""The waveforms on which NeMo's own results are known, see make_nemo_fixtures."""

import numpy as np
import numpy.typing as npt

LENGTHS = (1_600, 8_000, 20_800)


def waveform(samples: int, seed: int) -> npt.NDArray[np.int16]:
    """Two octaves that come and go, as 16-bit samples."""
    random = np.random.default_rng(seed)
    time = np.arange(samples) / 16_000
    tone = np.sin(2 * np.pi * (200 + 300 * np.sin(2 * np.pi * 1.5 * time)) * time)
    signal = 0.2 * tone * np.abs(np.sin(2 * np.pi * 2.0 * time + seed)) + random.normal(0.0, 0.03, samples)
    return np.round(signal * 32_767).astype(np.int16)
