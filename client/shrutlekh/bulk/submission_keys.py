"""Idempotency keys derived from a recording and its options, so that a repeated run makes no second job."""

import hashlib
import json
from typing import Final

from shrutlekh_contract.options import SubmissionOptions, declared

PREFIX: Final = "submit-"


def submission_key(sha256: str, options: SubmissionOptions, after: str | None = None) -> str:
    """Return the key of a submission: equal for the same bytes and options, in any run on any machine.

    Options with their default value do not count, so that a new option does not change the keys of all
    submissions that leave it out.

    Args:
        sha256: digest of the recording in hexadecimal.
        options: include the model, even if it is the service's default.
        after: id of an earlier job with the same bytes and options that this one replaces, because it failed
            or was cancelled; or the key that another submission took.
    """
    settled = options.settled()
    values = {
        name: option.kind.dump(value)
        for name, option in declared(SubmissionOptions).items()
        if option.identifies
        and not option.of_answer
        and (value := getattr(settled, name)) not in (None, option.default)
    }
    document = {"recording": sha256, "options": values, "after": after}
    canonical = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return PREFIX + hashlib.sha256(canonical.encode()).hexdigest()
