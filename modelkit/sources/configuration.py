"""Read the config.json of a source."""

import json
from pathlib import Path
from typing import Any, Final

from modelkit.errors import SourceInvalid

CONFIG: Final = "config.json"
MAX_BYTES: Final = 2**24  # real ones have up to some 100 kB


def read_config(path: Path) -> dict[str, Any]:
    """Read the object in a config.json.

    Raises:
        SourceInvalid: it is no JSON object, or larger than 16 MiB.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SourceInvalid(f"{CONFIG} is larger than {MAX_BYTES} bytes.")
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise SourceInvalid(f"{CONFIG} is no JSON: {error}") from error
    if not isinstance(config, dict):
        raise SourceInvalid(f"{CONFIG} is no JSON object.")
    return config
