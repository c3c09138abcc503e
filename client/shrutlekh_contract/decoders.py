"""The decoders, and which of them a model supports."""

from enum import StrEnum
from pathlib import Path
from typing import Final


class DecoderName(StrEnum):
    """The decoders that turn a model's log-probabilities into words."""

    GREEDY = "greedy"
    BEAM = "beam"  # searches with a language model


GREEDY, BEAM = DECODERS = tuple(decoder.value for decoder in DecoderName)

LANGUAGE_MODEL: Final = "lm"
"""Folder of the language model in a model folder."""


def decoders_of(model_folder: Path) -> tuple[str, ...]:
    """Return the decoders that a model supports: beam search requires a language model.

    Only the language model's folder is checked, not its weights, because the API's image contains model
    descriptions without weights. A worker reports missing weights as an invalid model.
    """
    return DECODERS if (model_folder / LANGUAGE_MODEL).is_dir() else (GREEDY,)
