"""The options of a run."""

from dataclasses import dataclass
from typing import Final

from shrutlekh_contract.options import SubmissionOptions

from shrutlekh.bulk.earlier_outputs import Wanted

NOTHING_CHOSEN: Final = SubmissionOptions()


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a run.

    Attributes:
        uploads: concurrent uploads.
        in_flight: most recordings between upload and result at a time; bounds memory and open polls.
        wait: whether to wait for results and write them.
        force: whether to submit every recording as a new job, whatever earlier runs did.
        chosen: options of each recording. The transcript is always made. If numerals are not set, those of an
            earlier run apply, else "spoken".
        formats: formats to write beside NAME.txt and NAME.json: "srt", "vtt", "tsv".
    """

    uploads: int = 4
    in_flight: int = 32
    wait: bool = True
    force: bool = False
    chosen: SubmissionOptions = NOTHING_CHOSEN
    formats: frozenset[str] = frozenset()

    @property
    def wanted(self) -> Wanted:
        """The outputs to have for each recording."""
        return Wanted(self.chosen, self.formats - {"txt", "json"}, self.picture)

    @property
    def picture(self) -> bool:
        """Whether to fetch the waveform's picture."""
        return self.chosen.waveform is not False
