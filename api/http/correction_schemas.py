"""The shape of a corrected text, as clients send it."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, FailFast, Field

from api.http import examples

MOST_SEGMENTS: Final = 50_000
MOST_WORDS: Final = 5_000
LONGEST_WORD: Final = 200
MOST_CHANNELS: Final = 64
_REFERENCE: Final = "#/components/schemas/{model}"

Seconds = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CorrectedWord(_Strict):
    """A word of a corrected text."""

    text: str = Field(min_length=1, max_length=LONGEST_WORD, description="Without spaces.")
    start: Seconds = Field(description="Seconds from the start of the recording.")
    end: Seconds
    confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="As the machine gave it; null or absent for a word that a person wrote.",
    )


class CorrectedSegment(_Strict):
    """Words spoken without a long pause."""

    start: Seconds
    end: Seconds
    channel: int | None = Field(None, ge=1, le=MOST_CHANNELS)
    words: Annotated[list[CorrectedWord], FailFast(), Field(min_length=1, max_length=MOST_WORDS)]


class CorrectionIn(_Strict):
    """The whole text as it should be. A segment that is left out is deleted."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CORRECTION]})

    segments: Annotated[list[CorrectedSegment], FailFast(), Field(max_length=MOST_SEGMENTS)]


def correction_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON schemas of a correction and its parts by name, for the OpenAPI document."""
    whole = CorrectionIn.model_json_schema(ref_template=_REFERENCE)
    return {**whole.pop("$defs"), CorrectionIn.__name__: whole}
