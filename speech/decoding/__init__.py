"""Log-probabilities to words with times and confidences."""

from speech.decoding.beam import BeamDecoder, BeamSettings, language_model_file
from speech.decoding.confidence import FEATURES, Calibration, Floats, plain_confidences
from speech.decoding.greedy import Decoder, GreedyDecoder, Heard, PathReader, WordTimes
from speech.decoding.ngram_model import LANGUAGE_MODEL_FILE, LanguageModel

__all__ = [
    "FEATURES",
    "LANGUAGE_MODEL_FILE",
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
    "language_model_file",
    "plain_confidences",
]
