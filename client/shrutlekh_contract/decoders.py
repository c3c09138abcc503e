"""The decoders, and which of them an installed model can be asked for."""

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
    """The decoders that the model in a folder can be asked for: beam search needs a language model.

    The language model's folder decides, not its weights: the front end's image has the descriptions of models
    without their weights. A folder that lacks them is an invalid model, which the engine reports.
    """
    return DECODERS if (model_folder / LANGUAGE_MODEL).is_dir() else (GREEDY,)
