"""What models give, to words with times and confidences."""

from speech.decoding.beam import BeamDecoder, BeamSettings, language_model_file
from speech.decoding.confidence import FEATURES, Calibration, Floats, plain_confidences
from speech.decoding.greedy import Decoder, GreedyDecoder, PathReader
from speech.decoding.heard import Heard
from speech.decoding.ngram_model import LANGUAGE_MODEL_FILE, LanguageModel
from speech.decoding.plausibility import Plausibility
from speech.decoding.word_emission import WordDecoder, WordEmission
from speech.decoding.word_times import WordTimes

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
    "Plausibility",
    "WordDecoder",
    "WordEmission",
    "WordTimes",
    "language_model_file",
    "plain_confidences",
]
