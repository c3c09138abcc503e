"""Acoustic models: waveforms to log-probabilities or words, one module or package for each model family.

To support another family, write it and add its line to `FAMILIES`.
"""

from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final

from speech.errors import ModelInvalid
from speech.recognisers.protocol import (
    CtcRecogniser,
    E,
    Emission,
    Family,
    Layout,
    LogProbs,
    Recogniser,
    Samples,
)

if TYPE_CHECKING:
    from speech.gpu import Device
    from speech.model_folder import ModelFolder

__all__ = [
    "FAMILIES",
    "CtcRecogniser",
    "E",
    "Emission",
    "Family",
    "Layout",
    "LogProbs",
    "Recogniser",
    "Samples",
    "as_ctc",
    "family_of",
    "load_recogniser",
    "whisper_tokens",
]

FAMILIES: Final = {"ctc": "speech.recognisers.ctc:CTC", "whisper": "speech.recognisers.whisper:WHISPER"}
"""`module:name` of the `Family` for each `family` of model.json. It is imported when the first model of it is
loaded."""


def family_of(model: "ModelFolder") -> Family[Any]:
    """Return the family of a model."""
    family: Family[Any] = resolve_name(FAMILIES[model.family])
    return family


def load_recogniser(
    model: "ModelFolder",
    threads: int = 1,
    precision: str | None = None,
    device: "Device" = "cpu",
    gpu_memory: int = 0,
) -> Recogniser[Any]:
    """Load the weights of a model folder.

    Args:
        threads: within an operator; operators run one after another.
        precision: "float32", "int8" or "float16"; None for the one in model.json.
        device: where it runs.
        gpu_memory: most bytes that it may take of a GPU. 0: no limit.

    Raises:
        ModelInvalid: the weights are missing or broken, or what runs them is not installed.
    """
    return family_of(model).load(model, threads, precision, device, gpu_memory)


def as_ctc(recogniser: Recogniser[Any]) -> CtcRecogniser:
    """Return a recogniser for work on log-probabilities.

    Raises:
        ModelInvalid: the model gives none.
    """
    if not isinstance(recogniser, CtcRecogniser):
        raise ModelInvalid("The model gives words and no log-probabilities, which this needs.")
    return recogniser


def whisper_tokens(folder: Path) -> list[str]:
    """Read the tokens of a Whisper model, by id.

    Raises:
        ModelInvalid: they are missing or unreadable.
    """
    read: Callable[[Path], list[str]] = resolve_name("speech.recognisers.whisper.vocabulary:read_tokens")
    return read(folder)
