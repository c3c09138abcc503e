"""``model.json``, the card of a model folder: its fields with their types and bounds.

Unknown fields are kept, so that this version can read a card that a later version wrote.
"""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

FILE_NAME: Final = "model.json"
FORMAT: Final = 1
SILERO: Final = "silero"
ENERGY: Final = "energy"
FLOAT32: Final = "float32"
INT8: Final = "int8"
FLOAT16: Final = "float16"
CTC: Final = "ctc"
WHISPER: Final = "whisper"

Detector = Literal["silero", "energy"]
Precision = Literal["float32", "int8", "float16"]
DETECTORS: Final[tuple[str, ...]] = get_args(Detector)
PRECISIONS: Final[tuple[str, ...]] = get_args(Precision)

IMPLIED: Final[Mapping[str, Mapping[str, Any]]] = {
    WHISPER: {"sample_rate": 16_000, "frame_stride": 0.02, "blank_id": 0, "min_samples": 1}
}
"""Fields that a card need not have, because the family decides them. A family without a blank has `blank_id`
0, which nobody uses."""

DIGEST_LENGTH = 64
"""Hex digits of a SHA-256 digest."""


class ModelCardInvalid(ValueError):
    """The card cannot be read or violates the format. The message is a sentence that names file and field."""


def _known(number: int) -> int:
    if number != FORMAT:
        raise ValueError(number)
    return number


def _inside_the_folder(files: dict[str, str]) -> dict[str, str]:
    for name, digest in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or len(digest) != DIGEST_LENGTH:
            raise ValueError(name)
    return files


# The descriptions complete the sentence "'FIELD' must be ..." of an error.
Text = Annotated[str, Field(description="a text")]
Name = Annotated[str, Field(description="a text", min_length=1)]
WholeNumber = Annotated[int, Field(description="a whole number")]
Number = Annotated[float, Field(description="a number", allow_inf_nan=False)]
Table = Annotated[dict[str, Any], Field(description="an object")]
Tables = Annotated[list[dict[str, Any]], Field(description="a list of objects")]
Digests = Annotated[
    dict[str, str],
    AfterValidator(_inside_the_folder),
    Field(description="file names inside the folder, each with its sha256"),
]


class ModelCard(BaseModel):
    """The metadata of a model.

    Attributes:
        sample_rate: hertz of the waveforms the graph takes.
        frame_stride: seconds between two output frames.
        blank_id: id of the CTC blank in tokens.txt. Not used by families whose models give words.
        max_segment_seconds: longest audio to pass to the graph at once.
        min_samples: shortest waveform the graph accepts, in samples.
        decoding: decoder settings, see `speech.decoding.beam.BeamSettings`; its entry "decoder" names the
            default decoder.
        detector: voice detector, "silero" by default. "energy" skips only silence; it suits a model that
            outputs no words for music and noise.
        precision: precision of the graph to use unless the caller names another.
        batched: whether a graph gives a waveform the same log-probabilities alone and padded beside a longer
            one. If not, waveforms are run one by one.
        files: SHA-256 hex digests by file name.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    format: Annotated[WholeNumber, AfterValidator(_known)]
    name: Name
    family: Name
    language: Name
    sample_rate: WholeNumber = Field(ge=1_000, le=192_000)
    frame_stride: Number = Field(ge=0.001, le=1.0)
    blank_id: WholeNumber = Field(ge=0)
    max_segment_seconds: Number = Field(ge=1.0, le=600.0)
    min_samples: WholeNumber = Field(ge=1, le=1_000_000)
    licence: Text = ""
    description: Text = ""
    decoding: Table = Field(default_factory=dict)
    training: Table = Field(default_factory=dict)
    evaluation: Tables = Field(default_factory=list)
    files: Digests = Field(default_factory=dict)
    detector: Detector = Field(default=SILERO, description="a text")
    precision: Precision = Field(default=FLOAT32, description="a text")
    batched: bool = Field(default=True, description="true or false")

    @classmethod
    def of(cls, entries: Mapping[str, Any], source: Path) -> Self:
        """Validate the entries of a card. Error messages name its file, `source`, which need not exist yet.

        Raises:
            ModelCardInvalid: an entry is missing or invalid.
        """
        try:
            return cls.model_validate({**_implied(entries), **entries})
        except ValidationError as error:
            raise ModelCardInvalid(f"{source}{cls._complaint(error.errors()[0], entries)}") from None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the card of a model folder.

        Raises:
            FileNotFoundError, NotADirectoryError: the folder has no card.
            ModelCardInvalid: the card cannot be read, is not JSON or violates the format.
        """
        return cls.of(read_entries(folder), folder / FILE_NAME)

    @classmethod
    def _complaint(cls, error: ErrorDetails, entries: Mapping[str, Any]) -> str:
        """Describe an error as the rest of a sentence that begins with the file's name."""
        key = str(error["loc"][0])
        if error["type"] == "missing":
            return f": {key!r} must be {cls.model_fields[key].description}, and is missing."
        found = entries[key]
        if error["type"] == "value_error" and key == "format":
            return f" has format {found}, this version reads {FORMAT}."
        if error["type"] == "literal_error" and isinstance(found, str):
            allowed = ", ".join(DETECTORS if key == "detector" else PRECISIONS)
            return f" names the {key} {found!r}; there are {allowed}."
        right_type = error["type"] in ("greater_than_equal", "less_than_equal")
        wanted = cls._range(key) if right_type else cls.model_fields[key].description
        return f": {key!r} must be {wanted}, not {found!r}."

    @classmethod
    def _range(cls, key: str) -> str:
        bounds = cls.model_fields[key].metadata
        low, high = (
            next((getattr(bound, side) for bound in bounds if hasattr(bound, side)), None)
            for side in ("ge", "le")
        )
        return f"at least {low}" if high is None else f"in {low}..{high}"


def _implied(entries: Mapping[str, Any]) -> Mapping[str, Any]:
    family = entries.get("family")
    return IMPLIED.get(family, {}) if isinstance(family, str) else {}


def read_entries(folder: Path) -> dict[str, Any]:
    """Read the entries of a folder's model.json, in file order and not validated.

    Raises:
        FileNotFoundError, NotADirectoryError: the folder has no card.
        ModelCardInvalid: the card cannot be read or is not a JSON object.
    """
    file = folder / FILE_NAME
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise ModelCardInvalid(f"{file} could not be read: {error}.") from error
    except ValueError as error:
        raise ModelCardInvalid(f"{file} is not JSON: {error}.") from error
    if not isinstance(entries, dict):
        raise ModelCardInvalid(f"{file} must hold an object.")
    return entries
