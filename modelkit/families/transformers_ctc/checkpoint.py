"""Interface of a loaded checkpoint."""

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from modelkit.graphs.parity import Lengths, Waveforms


class Checkpoint(Protocol):
    """A network and its feature extractor.

    Attributes:
        outputs: size of the CTC head.
        sample_rate: hertz.
        frame_stride: seconds between two output frames.
        min_samples: the shortest waveform that gives a frame.
        batched: whether a waveform gives the same alone and padded beside a longer one.
    """

    @property
    def outputs(self) -> int: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def frame_stride(self) -> float: ...
    @property
    def min_samples(self) -> int: ...
    @property
    def batched(self) -> bool: ...

    def pipeline(self, waveforms: Waveforms, lengths: Lengths) -> tuple[npt.NDArray[np.float32], Lengths]:
        """Run the original: transformers' extractor and network, in PyTorch. See `modelkit.graphs.parity`."""
        ...

    def export(self, path: Path) -> None:
        """Write the graph of docs/model-folder.md."""
        ...
