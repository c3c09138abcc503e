"""Compare requests that have the same idempotency key."""

from shrutlekh_contract.options import SubmissionOptions, declared

from shared.jobs.job_options import options_of
from shared.jobs.tables import Job


def is_same_request(first: Job, second: Job) -> bool:
    """Return whether two jobs request the same: the same recording with the same options."""
    ours, theirs = options_of(first), options_of(second)
    return first.file_sha256 == second.file_sha256 and all(
        getattr(ours, name) == getattr(theirs, name)
        for name, option in declared(SubmissionOptions).items()
        if option.identifies
    )
