"""What the engine asks of an acoustic model, whatever its family."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
LogProbs = npt.NDArray[np.float32]


class Recogniser(Protocol):
    """An acoustic model that is ready to run."""

    def log_probs(self, waveforms: Sequence[Samples]) -> list[LogProbs]:
        """Run one batch: natural logarithms of token probabilities, shape (frames, vocabulary), for each
        waveform of shape (n,)."""
        ...

    def working_bytes(self, rows: int, samples: int) -> int:
        """Estimate the memory that a batch of `rows` waveforms of at most `samples` takes. The estimate must
        not depend on the machine: batches are planned with it, and every attempt must form the same ones."""
        ...

    def warm(self) -> None:
        """Pay now for what the first recordings would pay for: lazily made kernels and the memory arena."""
        ...
