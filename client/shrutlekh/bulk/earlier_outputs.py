"""The outputs of an earlier run, and whether they are what a run wants."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from shrutlekh_contract.options import SubmissionOptions

from shrutlekh.answers import JobWarning
from shrutlekh.bulk.contents import Content
from shrutlekh.bulk.outputs import SPOKEN
from shrutlekh.bulk.provenance import Provenance, ServiceModels
from shrutlekh.bulk.recordings import Recording


@dataclass(frozen=True, slots=True)
class Wanted:
    """The outputs that a run wants for each recording.

    Attributes:
        options: the options of the transcript. If numerals are not set, any fit.
        formats: formats to write beside NAME.txt and NAME.json: "srt", "vtt", "tsv".
        picture: whether to write NAME.png.
    """

    options: SubmissionOptions
    formats: frozenset[str] = field(default_factory=frozenset)
    picture: bool = True


class Earlier(NamedTuple):
    """Outputs of an earlier run: NAME.json, and whether all other wanted outputs exist."""

    document: dict[str, Any]
    provenance: Provenance
    is_complete: bool

    @property
    def numerals(self) -> str:
        """How its numbers are written."""
        return str(self.document.get("numerals", SPOKEN))

    @property
    def warnings(self) -> tuple[JobWarning, ...]:
        """What is imperfect about the recording."""
        try:
            return tuple(map(JobWarning.model_validate, self.document.get("warnings", ())))
        except (ValueError, TypeError):
            return ()


def earlier_outputs(
    recording: Recording, content: Content, wanted: Wanted, models: ServiceModels
) -> Earlier | None:
    """Return the outputs of an earlier run if its transcript is still valid, else None.

    It is valid if it is newer than the recording, was made from the same bytes, and its provenance satisfies
    the wanted options. The outputs may be incomplete, because files were deleted or not wanted then.

    Raises:
        RecordingUnreadable: the recording cannot be read.
    """
    try:
        marker = Path(recording.output + ".json")
        if marker.stat().st_mtime_ns < content.modified_ns:
            return None
        document = dict(json.loads(marker.read_bytes()))
        provenance = Provenance.of_document(document)
        file = document["file"]
        if not provenance.satisfies(wanted.options, models):
            return None
        if not content.has(file.get("bytes", content.size), file["sha256"]):
            return None
        earlier = Earlier(document, provenance, is_complete=False)
        kinds = {"txt", *wanted.formats, *({"png"} if wanted.picture else ())}
        is_complete = wanted.options.numerals in {None, earlier.numerals} and all(
            Path(f"{recording.output}.{kind}").is_file() for kind in kinds
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return earlier._replace(is_complete=is_complete)
