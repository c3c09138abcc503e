"""The family "ctc": ONNX graphs that give log-probabilities, decoded greedily or by beam search."""

from collections.abc import Sequence

import numpy as np
from shrutlekh_contract.decoders import BEAM, DECODERS, GREEDY

from speech.decoding import BeamDecoder, Decoder, GreedyDecoder
from speech.gpu import Device
from speech.model_folder import ModelFolder
from speech.recognisers.onnx_ctc import OnnxCtcRecogniser
from speech.recognisers.protocol import LogProbs
from speech.segments import SeamFinder, Span

_NEVER = -30.0


class LogProbLayout(SeamFinder):
    """Each voiced span is recognised by itself. Elsewhere the log-probabilities are those of silence."""

    def __init__(self, model: ModelFolder) -> None:
        super().__init__(model.tokens, model.blank_id, model.frame_stride)
        self._stride = max(round(model.frame_stride * model.sample_rate), 1)
        self._no_voice = np.full(len(model.tokens), _NEVER, np.float32)
        self._no_voice[model.blank_id if model.space_id is None else model.space_id] = 0.0

    def runs(self, voiced: Sequence[Span]) -> Sequence[Span]:
        return voiced

    def lay_out(self, parts: Sequence[tuple[Span, LogProbs]], samples: int) -> LogProbs:
        (span, log_probs), *_ = parts
        if span == (0, samples):
            return log_probs
        whole = np.tile(self._no_voice, (max(samples // self._stride, 1), 1))
        for (begin, _), log_probs in parts:
            place = whole[begin // self._stride :]
            place[: len(log_probs)] = log_probs[: len(place)]
        return whole


class CtcFamily:
    """See `speech.recognisers.protocol.Family`."""

    prefer_seconds = 16.0
    merge_seconds = 0.9

    def load(
        self,
        model: ModelFolder,
        threads: int,
        precision: str | None,
        device: Device,
        gpu_memory: int = 0,
    ) -> OnnxCtcRecogniser:
        return OnnxCtcRecogniser(model, threads, precision, device, gpu_memory)

    def layout(self, model: ModelFolder) -> LogProbLayout:
        return LogProbLayout(model)

    def decoder(self, model: ModelFolder, name: str) -> Decoder[LogProbs]:
        if name == GREEDY:
            return GreedyDecoder.of_model(model)
        if name != BEAM:
            raise ValueError(f"There is no decoder {name!r}; there are {', '.join(DECODERS)}.")
        return BeamDecoder.of_model(model)


CTC = CtcFamily()
