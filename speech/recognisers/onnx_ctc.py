"""CTC models as ONNX graphs, from waveforms to log-probabilities."""

import logging
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import onnxruntime as ort
from shrutlekh_contract.model_card import FLOAT32, INT8

from speech.errors import ModelInvalid
from speech.gpu import SMALLEST_BATCH, Device, batch_bytes, is_gpu_exhausted
from speech.model_folder import ModelFolder
from speech.onnx_sessions import CUDA, open_session, runs_on_gpu
from speech.recognisers.protocol import LogProbs, Samples

FRAME_BYTES, PAIR_BYTES = 35_000, 280
"""Intermediate results for an output frame, and for each pair of frames (attention): measured with
hi-ctc-base, see docs/segments.md."""

log = logging.getLogger(__name__)


class OnnxCtcRecogniser:
    """A CTC model whose graph takes `waveform` (batch, samples) and `lengths`, and gives `log_probs` and
    `frame_lengths`.

    A session has threads, which do not survive a fork: make the recogniser in the process that uses it.
    """

    WARM_SECONDS = (1.0, 4.0, 8.0)

    def __init__(
        self,
        folder: ModelFolder,
        threads: int = 1,
        precision: str | None = None,
        device: Device = "cpu",
        gpu_memory: int = 0,
    ) -> None:
        """Load the graph, or its optimised form if `modelkit optimise` wrote one.

        Args:
            folder: the model.
            threads: ONNX Runtime threads within an operator; operators run one after another.
            precision: which graph of the folder, see `ModelFolder.graph`. A quantised graph scales its
                activations by the whole input, so it runs waveforms one by one, as does a graph that heeds
                padding (`batched` of the card): a text must not depend on the rest of its batch.
            device: where the graph runs. On a GPU the float32 graph stands in for a quantised default: CUDA
                has no operators for it.
            gpu_memory: most bytes that it may take of a GPU, which also sizes the batches. 0: no limit.

        Raises:
            ModelInvalid: the graph is missing, broken, or has other inputs or outputs.
        """
        self._folder = folder
        self._threads = threads
        on_gpu = runs_on_gpu(device)
        if on_gpu and precision is None and folder.precision == INT8 and folder.has_graph(FLOAT32):
            precision = FLOAT32
        self._one_by_one = (precision or folder.precision) == INT8 or not folder.batched
        path = self._path = folder.graph(precision)
        optimised = folder.optimised(precision)
        if optimised.is_file() and not on_gpu:  # it was optimised for CPUs
            path = optimised
        try:
            self._session = open_session(str(path), threads, on_gpu=on_gpu, gpu_memory=gpu_memory)
        except Exception as error:  # onnxruntime keeps its exception types private
            raise ModelInvalid(
                f"{path.name} of the model {folder.name} could not be loaded: {error}"
            ) from error
        self._check_interface()
        self._gpu_batch_bytes: int | None = None
        if CUDA in self._session.get_providers():
            self._gpu_batch_bytes = batch_bytes(gpu_memory, self._path.stat().st_size)

    @property
    def gpu_batch_bytes(self) -> int | None:
        """See `speech.recognisers.protocol.Recogniser`. It becomes less if a batch did not fit."""
        return self._gpu_batch_bytes

    def _check_interface(self) -> None:
        found = {node.name: node.type for node in (*self._session.get_inputs(), *self._session.get_outputs())}
        wanted = {
            "waveform": "tensor(float)",
            "lengths": "tensor(int64)",
            "log_probs": "tensor(float)",
            "frame_lengths": "tensor(int64)",
        }
        if found != wanted:
            raise ModelInvalid(
                f"The graph of the model {self._folder.name} must have the inputs and outputs {wanted}, "
                f"not {found}."
            )
        vocabulary = self._session.get_outputs()[0].shape[-1]
        if isinstance(vocabulary, int) and vocabulary != len(self._folder.tokens):
            raise ModelInvalid(
                f"The graph of the model {self._folder.name} has {vocabulary} outputs "
                f"for {len(self._folder.tokens)} tokens."
            )

    def emissions(self, waveforms: Sequence[Samples]) -> list[LogProbs]:
        return self.log_probs(waveforms)

    def log_probs(self, waveforms: Sequence[Samples]) -> list[LogProbs]:
        """Run the graph once, with shorter waveforms zero-padded to the longest; or once per waveform, see
        `__init__`. If the memory of a GPU runs out, halve the batch, and run a single waveform on the CPU.

        Other errors of ONNX Runtime pass through. A graph that loaded mostly fails for lack of memory, which
        is the machine's fault and not the model's.

        Raises:
            ModelInvalid: the graph outputs NaN or another vocabulary.
        """
        if self._one_by_one:
            return [self._run([waveform])[0] for waveform in waveforms]
        return self._run(waveforms) if waveforms else []

    def _run(self, waveforms: Sequence[Samples]) -> list[LogProbs]:
        try:
            return self._run_in(self._session, waveforms)
        except Exception as error:  # onnxruntime keeps its exception types private
            if self._gpu_batch_bytes is None or not is_gpu_exhausted(error):
                raise
            reason = str(error)
        # Here and not above: the error, and all that its frames held, is gone.
        return self._run_smaller(waveforms, self._gpu_batch_bytes, reason)

    def _run_smaller(self, waveforms: Sequence[Samples], limit: int, reason: str) -> list[LogProbs]:
        """Run what did not fit into the memory of the GPU."""
        if len(waveforms) == 1:
            log.warning("gpu_memory_exhausted: %d samples run on the CPU: %s", len(waveforms[0]), reason)
            return self._run_in(self._on_cpu, waveforms)
        self._gpu_batch_bytes = max(limit // 2, SMALLEST_BATCH)  # for the recordings to come
        log.warning("gpu_memory_exhausted: a batch of %d is halved: %s", len(waveforms), reason)
        middle = len(waveforms) // 2
        return [*self._run(waveforms[:middle]), *self._run(waveforms[middle:])]

    @cached_property
    def _on_cpu(self) -> ort.InferenceSession:
        """The same graph on the CPU, opened when a waveform does not fit into the memory of the GPU."""
        return open_session(str(self._path), self._threads)

    def _run_in(self, session: ort.InferenceSession, waveforms: Sequence[Samples]) -> list[LogProbs]:
        lengths = np.array([max(len(waveform), self._folder.min_samples) for waveform in waveforms], np.int64)
        batch = np.zeros((len(waveforms), lengths.max()), np.float32)
        for row, waveform in zip(batch, waveforms, strict=True):
            row[: len(waveform)] = waveform
        log_probs, frames = session.run(
            ["log_probs", "frame_lengths"], {"waveform": batch, "lengths": lengths}
        )
        if log_probs.shape[2] != len(self._folder.tokens) or np.isnan(log_probs).any():
            raise ModelInvalid(f"The graph of the model {self._folder.name} gave no valid log-probabilities.")
        return [rows[:count] for rows, count in zip(log_probs, frames.tolist(), strict=True)]

    def working_bytes(self, rows: int, samples: int) -> int:
        rows = 1 if self._one_by_one else rows
        frames = samples / (self._folder.frame_stride * self._folder.sample_rate)
        return round(rows * frames * (FRAME_BYTES + frames * PAIR_BYTES))

    def warm(self) -> None:
        noise = np.random.default_rng(0).normal(
            0.0, 0.01, int(max(self.WARM_SECONDS) * self._folder.sample_rate)
        )
        for seconds in self.WARM_SECONDS:
            self.log_probs([noise[: int(seconds * self._folder.sample_rate)].astype(np.float32)])
