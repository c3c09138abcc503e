"""Which format of a transcript a client likes best, by its Accept header."""

from functools import lru_cache

from transcript.formats import MEDIA_TYPES, Format

_FORMATS = {media_type.partition(";")[0]: form for form, media_type in MEDIA_TYPES.items()}
_FORMATS["text/srt"] = Format.SRT  # never registered, and sent all the same


@lru_cache(maxsize=256)
def preferred(accept: str | None) -> Format:
    """The named media type with the highest weight, the first among equals (RFC 9110, section 12.5.1).

    JSON where none of ours is named: a client that likes anything, or nothing that there is, gets that.
    """
    best, most = Format.JSON, 0.0
    for item in (accept or "").split(","):
        media_type, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = _weight(parameters)
        if media_type in _FORMATS and weight > most:
            best, most = _FORMATS[media_type], weight
    return best


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
