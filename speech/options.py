"""How one recording is recognised, where it is not as the model says: the engine's options."""

from typing import Final

from shrutlekh_contract.options import Channels
from shrutlekh_contract.options import RecognitionOptions as Options

__all__ = ["NO_OPTIONS", "Channels", "Options"]

NO_OPTIONS: Final = Options()
