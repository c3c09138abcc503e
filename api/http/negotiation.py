"""Content negotiation: choose a transcript format by the Accept header."""

from functools import lru_cache

from transcript.formats import MEDIA_TYPES, Format

_FORMATS = {media_type.partition(";")[0]: file_format for file_format, media_type in MEDIA_TYPES.items()}
_FORMATS["text/srt"] = Format.SRT  # not a registered type, but clients send it


@lru_cache(maxsize=256)
def preferred(accept: str | None) -> Format:
    """Return the format with the highest weight, the first among equals (RFC 9110, section 12.5.1).

    JSON if the header names none of the formats. Wildcards are ignored, so ``*/*`` also gets JSON.
    """
    best, best_weight = Format.JSON, 0.0
    for item in (accept or "").split(","):
        media_type, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = _weight(parameters)
        if media_type in _FORMATS and weight > best_weight:
            best, best_weight = _FORMATS[media_type], weight
    return best


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
