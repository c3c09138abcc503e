"""Acoustic models: waveforms to log-probabilities, one module for each model family.

To support another family, write its module here and add its line to `FAMILIES`.
"""

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Final

from speech.recognisers.protocol import LogProbs, Recogniser, Samples

if TYPE_CHECKING:
    from speech.model_folder import ModelFolder

__all__ = ["FAMILIES", "LogProbs", "Recogniser", "Samples", "load_recogniser"]

FAMILIES: Final = {"ctc": "speech.recognisers.onnx_ctc:OnnxCtcRecogniser"}
"""The class for each `family` of model.json. It is imported when the first model of its family is loaded, and
called as `load_recogniser` is."""


def load_recogniser(model: "ModelFolder", threads: int = 1, precision: str | None = None) -> Recogniser:
    """Load the graph of a model folder.

    Args:
        threads: within an operator; operators run one after another.
        precision: which graph of the folder, see `ModelFolder.graph`.

    Raises:
        ModelInvalid: the graph is missing, broken, or has the wrong inputs or outputs.
    """
    recogniser: Recogniser = resolve_name(FAMILIES[model.family])(model, threads, precision)
    return recogniser
