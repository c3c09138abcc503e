"""A pytest plugin that declares one more option, as a field in shrutlekh_contract/options.py would.

It must be loaded before anything else of the project is imported: `pytest -p tests.options.declares_pace`.
"""

from dataclasses import dataclass

from shrutlekh_contract import options
from shrutlekh_contract.declarations import Form, Switch, option
from shrutlekh_contract.option_kinds import Choice


@dataclass(frozen=True)
class WithPace(options.RecognitionOptions):
    """The recognition options and one more."""

    pace: str | None = option(
        Choice(("slow", "fast")),
        "How fast people speak.",
        default="slow",
        forms=Form.JOB | Form.TRANSCRIBE,
        switch=Switch("How fast people speak in it."),
    )


@dataclass(frozen=True)
class SubmissionWithPace(options.SubmissionOptions, WithPace):
    """All options and one more."""


options.RecognitionOptions = WithPace  # type: ignore[misc]
options.SubmissionOptions = SubmissionWithPace  # type: ignore[misc]
