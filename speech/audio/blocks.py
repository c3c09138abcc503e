"""What the readers yield and raise."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from speech.errors import AudioUnreadable

Samples = npt.NDArray[np.float32]

BLOCK_SAMPLES: Final = 65_536
"""Approximate samples per block over all channels: 256 KiB as float32."""


class Block(NamedTuple):
    """Samples of shape (samples, channels), full scale 1, and their rate in hertz."""

    samples: Samples
    rate: int


class HardlyAudio(AudioUnreadable):
    """Next to nothing in a stream of frames can be decoded, so it is no audio."""
