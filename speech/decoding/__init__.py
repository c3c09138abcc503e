"""Log-probabilities to words with times and confidences."""

from speech.decoding.beam import BeamDecoder, BeamSettings, has_language_model
from speech.decoding.confidence import FEATURES, Calibration, Floats, plain_confidences
from speech.decoding.greedy import Decoder, GreedyDecoder, Heard, PathReader, WordTimes
from speech.decoding.hot_trie import MAX_WEIGHT
from speech.decoding.ngram_model import LANGUAGE_MODEL_FILE, LanguageModel

__all__ = [
    "FEATURES",
    "LANGUAGE_MODEL_FILE",
    "MAX_WEIGHT",
    "BeamDecoder",
    "BeamSettings",
    "Calibration",
    "Decoder",
    "Floats",
    "GreedyDecoder",
    "Heard",
    "LanguageModel",
    "PathReader",
    "WordTimes",
    "has_language_model",
    "plain_confidences",
]
