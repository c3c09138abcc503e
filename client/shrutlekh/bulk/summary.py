"""What a run says at its end: its counts, its failures and warnings, and what the next run will do."""

from collections import Counter

from shrutlekh.bulk.display import printable
from shrutlekh.bulk.events import Outcome

SUBMITTED = "submitted"
TAKEN_UP = "submitted by an earlier run"
FAILURES = ("failed", "cancelled")
WORDS = ("transcribed", "fetched", "skipped", SUBMITTED, TAKEN_UP, *FAILURES)
"""The words of the counts, in the order in which they are said."""


class Summary:
    """Counts the outcomes of a run of ``total`` recordings; 0 if more may come."""

    def __init__(self, total: int = 0) -> None:
        self._total = total
        self._counts: Counter[str] = Counter()
        self._with_warnings = 0
        self._warnings: list[str] = []
        self._failures: list[str] = []
        self._has_failures = False
        self._kept_models: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Count an outcome. Warnings of skipped recordings were told by the run that transcribed them."""
        source = printable(outcome.source)
        self._counts[_word(outcome)] += 1
        if outcome.error is not None:
            self._has_failures = True
            self._failures.append(f"{source}: {': '.join(outcome.error)}")
        if outcome.warnings and outcome.status != "skipped":
            self._with_warnings += 1
            self._warnings += [f"{source}: {warning.code}: {warning.message}" for warning in outcome.warnings]
        if outcome.kept_model is not None:
            self._kept_models[outcome.kept_model] += 1

    @property
    def is_empty(self) -> bool:
        """Whether no recording has an outcome yet."""
        return not self._counts

    @property
    def has_failures(self) -> bool:
        """Whether a recording failed."""
        return self._has_failures

    def details(self) -> list[str]:
        """Return a line for each warning and each failure since the last call."""
        lines = self._warnings + self._failures
        self._warnings, self._failures = [], []
        return lines

    def line(self) -> str:
        """Return the counts as a sentence, and another one if texts of an earlier default model are kept."""
        parts = [f"{self._counts[word]} {word}" for word in WORDS if self._counts[word]]
        if self._with_warnings:
            parts.append(f"{self._with_warnings} with warnings")
        return f"{', '.join(parts) or 'Nothing done yet'}.{self._kept()}"

    def next_run(self, at_service: int, *, force: bool) -> str:
        """Return sentences about what the same command does next, if this run was interrupted.

        Args:
            at_service: recordings with a job whose results are not written.
            force: whether the run does everything again.
        """
        if force:
            return (
                "The same command starts over, because of --force. Without --force it continues: it fetches "
                f"the {_recordings(at_service)} at the service, and skips those that have a text."
            )
        finished = sum(self._counts[word] for word in ("transcribed", "fetched", "skipped"))
        return (
            f"Run the same command again to continue. It skips {finished} finished, takes up {at_service} at "
            f"the service without another upload, and submits {max(0, self._total - finished - at_service)}."
        )

    def _kept(self) -> str:
        if not self._kept_models:
            return ""
        models = ", ".join(sorted(self._kept_models))
        return (
            f" {sum(self._kept_models.values())} kept from {models}, which is no longer the default model; "
            "--model NAME transcribes with another."
        )


def _word(outcome: Outcome) -> str:
    match outcome:
        case Outcome(status="succeeded", is_taken_up=False):
            return "transcribed"
        case Outcome(status="fetched" | "skipped" | "failed" | "cancelled" as word):
            return word
        case Outcome(is_taken_up=True):
            return TAKEN_UP
    return SUBMITTED


def _recordings(count: int) -> str:
    return f"{count} recording{'' if count == 1 else 's'}"
