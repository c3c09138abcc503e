"""Store the options of a job in its row.

Options that SQL needs (for turns, filters, a CHECK constraint) have a column of their name; all others are
entries of the column `options`.
"""

from typing import Any, Final

from shrutlekh_contract.options import SubmissionOptions, declared
from shrutlekh_contract.statuses import Priority

from shared.jobs.tables import Job

IN_COLUMNS: Final = frozenset({"model", "transcript", "waveform", "client", "priority"})


def columns_of(options: SubmissionOptions) -> dict[str, Any]:
    """Return the columns of a job with these options.

    Args:
        options: include a model and a client. Defaults of the others are filled in, so that a job keeps them
            even if a later version has other defaults.
    """
    settled = options.settled()
    entries = {
        name: value
        for name, value in settled.json().items()
        if name not in IN_COLUMNS and not declared(SubmissionOptions)[name].of_answer
    }
    return {
        "model": settled.model,
        "transcript": settled.transcript,
        "waveform": settled.waveform,
        "client": settled.client,
        "priority": Priority.named(settled.priority or Priority.NORMAL.word),
        "options": entries,
    }


def options_of(job: Job) -> SubmissionOptions:
    """Return the options of a job, with defaults for options that were added after it."""
    columns = {
        "model": job.model,
        "transcript": job.transcript,
        "waveform": job.waveform,
        "client": job.client,
        "priority": Priority(job.priority).word,
    }
    return SubmissionOptions.of_json({**(job.options or {}), **columns}).settled()
