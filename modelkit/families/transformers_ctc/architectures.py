"""The networks of transformers that can be converted, with their feature extractors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Architecture:
    """Names of classes in transformers.

    Attributes:
        network: with a CTC head.
        extractor: makes the network's inputs from waveforms.
    """

    network: str
    extractor: Literal["Wav2Vec2FeatureExtractor", "SeamlessM4TFeatureExtractor"] = "Wav2Vec2FeatureExtractor"


ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    "wav2vec2": Architecture("Wav2Vec2ForCTC"),
    "hubert": Architecture("HubertForCTC"),
    "wavlm": Architecture("WavLMForCTC"),
    "wav2vec2-bert": Architecture("Wav2Vec2BertForCTC", "SeamlessM4TFeatureExtractor"),
}
"""By `model_type` of config.json."""
