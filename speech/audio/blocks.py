"""What the readers yield."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

BLOCK_SAMPLES: Final = 65_536
"""Approximate samples per block over all channels: 256 KiB as float32."""


class Block(NamedTuple):
    """Samples of shape (samples, channels), full scale 1, and their rate in hertz."""

    samples: Samples
    rate: int
