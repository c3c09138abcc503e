"""The family "whisper": models that give words, run by the optional library CTranslate2."""

from shrutlekh_contract.decoders import DECODERS, GREEDY

from speech.decoding import Decoder, WordDecoder, WordEmission
from speech.errors import ModelInvalid
from speech.gpu import Device
from speech.model_folder import ModelFolder
from speech.recognisers.whisper.log_mel import WINDOW_SECONDS
from speech.recognisers.whisper.recogniser import WhisperRecogniser
from speech.recognisers.word_layout import WordLayout


class WhisperFamily:
    """See `speech.recognisers.protocol.Family`.

    Chunks are longer than those of other families, because each costs 30 seconds of encoder. Their length is
    limited by the tokens of a fast speaker, see `guards.MOST_TOKENS`.
    """

    prefer_seconds = 20.0
    merge_seconds = 2.0

    def load(
        self,
        model: ModelFolder,
        threads: int,
        precision: str | None,
        device: Device,
        gpu_memory: int = 0,  # noqa: ARG002 - CTranslate2 has no such limit
    ) -> WhisperRecogniser:
        if model.max_segment_seconds > WINDOW_SECONDS:
            raise ModelInvalid(
                f"The model {model.name} is a Whisper: 'max_segment_seconds' in model.json must be at most "
                f"{WINDOW_SECONDS}, not {model.max_segment_seconds}."
            )
        return WhisperRecogniser(model, threads, precision, device)

    def layout(self, model: ModelFolder) -> WordLayout:
        return WordLayout(model.frame_stride, model.sample_rate)

    def decoder(self, model: ModelFolder, name: str) -> Decoder[WordEmission]:
        if name == GREEDY:
            return WordDecoder.of_model(model)
        if name not in DECODERS:
            raise ValueError(f"There is no decoder {name!r}; there are {', '.join(DECODERS)}.")
        raise ModelInvalid(f"The model {model.name} is a Whisper, which takes no language model.")


WHISPER = WhisperFamily()
