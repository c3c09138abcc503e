"""The models folder: names of models, and the one that jobs use which name none."""

import re
from pathlib import Path
from typing import Final

MODEL_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""Names of installed models: those of their folders."""

DEFAULT_FILE: Final = "default-model"
"""A file of one line in the models folder: the default model. `shrutlekh models default` writes it."""

SHIPPED: Final = "hi-ctc-base"
"""The default model where no file names one."""


def default_model_of(models_dir: Path) -> str:
    """Return the name of the default model. It need not be installed."""
    try:
        named = (models_dir / DEFAULT_FILE).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return SHIPPED
    return named if MODEL_NAME.fullmatch(named) else SHIPPED
