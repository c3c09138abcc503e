"""What the engine asks of a model family: an acoustic model, and how its emissions are joined and decoded."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from speech.decoding import Decoder
    from speech.gpu import Device
    from speech.model_folder import ModelFolder
    from speech.segments import Seam, Span

Samples = npt.NDArray[np.float32]
LogProbs = npt.NDArray[np.float32]


class Emission(Protocol):
    """What a model gives for a waveform, a sequence of frames: CTC log-probabilities of shape (frames,
    vocabulary), or the words that were heard in them."""

    def __len__(self) -> int:
        """Count the frames."""
        ...

    def __getitem__(self, frames: slice, /) -> Any:
        """Return the emission of some consecutive frames."""
        ...


E = TypeVar("E", bound=Emission)
E_co = TypeVar("E_co", bound=Emission, covariant=True)


class Recogniser(Protocol[E_co]):
    """An acoustic model that is ready to run."""

    def emissions(self, waveforms: Sequence[Samples]) -> Sequence[E_co]:
        """Run one batch. Returns the emission of each waveform of shape (n,)."""
        ...

    def working_bytes(self, rows: int, samples: int) -> int:
        """Estimate the memory that a batch of `rows` waveforms of at most `samples` takes. The estimate must
        not depend on the machine: batches are planned with it, and every attempt must form the same ones."""
        ...

    @property
    def gpu_batch_bytes(self) -> int | None:
        """Memory that a batch may take on the GPU; None if it runs elsewhere or without batches of this
        size."""
        ...

    def warm(self) -> None:
        """Pay now for what the first recordings would pay for: lazily made kernels and the memory arena."""
        ...


@runtime_checkable
class CtcRecogniser(Recogniser[LogProbs], Protocol):
    """An acoustic model whose emissions are log-probabilities."""

    def log_probs(self, waveforms: Sequence[Samples]) -> list[LogProbs]:
        """Run one batch: natural logarithms of token probabilities, shape (frames, vocabulary), for each
        waveform of shape (n,)."""
        ...


class Layout(Protocol[E]):
    """How the emissions of a model lie in a chunk, and how those of overlapping windows are joined."""

    def runs(self, voiced: "Sequence[Span]") -> "Sequence[Span]":
        """Return the spans of a chunk that are recognised, given those in which somebody may speak."""
        ...

    def lay_out(self, parts: "Sequence[tuple[Span, E]]", samples: int) -> E:
        """Make the emission of a chunk of `samples` from those of its runs, one or more, in any order."""
        ...

    def find(self, left: E, right: E) -> "Seam":
        """Find the best seam in an overlap of one frame or more, recognised in two windows."""
        ...

    def concatenate(self, left: E, right: E) -> E:
        """Put an emission behind another."""
        ...


class Family(Protocol[E]):
    """A kind of models: how they are loaded, and what is done with their emissions.

    Attributes:
        prefer_seconds: length at which chunks are cut at a pause.
        merge_seconds: shortest pause that always ends a chunk.
    """

    prefer_seconds: float
    merge_seconds: float

    def load(
        self,
        model: "ModelFolder",
        threads: int,
        precision: str | None,
        device: "Device",
        gpu_memory: int = 0,
    ) -> Recogniser[E]:
        """Load the weights of a model folder.

        Args:
            threads: within an operator; operators run one after another.
            precision: "float32", "int8" or "float16"; None for the one in model.json.
            device: where it runs.
            gpu_memory: most bytes that it may take of a GPU. 0: no limit.

        Raises:
            ModelInvalid: the weights are missing or broken, or what runs them is not installed.
        """
        ...

    def layout(self, model: "ModelFolder") -> Layout[E]:
        """Return the layout of the model's emissions."""
        ...

    def decoder(self, model: "ModelFolder", name: str) -> "Decoder[E]":
        """Return the decoder "greedy" or "beam".

        Raises:
            ModelInvalid: the model has no such decoder, or an unusable one.
            ImportError: a library that the decoder needs is not installed.
            ValueError: there is no decoder of that name.
        """
        ...
