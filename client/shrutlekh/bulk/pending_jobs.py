"""NAME.job: a file beside the outputs that names the recording's job until its results are written.

It is UTF-8 JSON. A run that finds it takes up the job without uploading the recording again. If it is missing
or damaged the recording is uploaded again, and its idempotency key leads to the existing job.
"""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path

from shrutlekh_contract.options import SubmissionOptions

from shrutlekh.bulk.contents import Fingerprint
from shrutlekh.bulk.outputs import write_atomically
from shrutlekh.bulk.recordings import JOB_EXTENSION


@dataclass(frozen=True, slots=True)
class PendingJob:
    """A job whose results are not written yet.

    Attributes:
        job_id: id of the job.
        name: the recording's name, without its folder.
        file: the bytes that were uploaded.
        options: the options as requested.
    """

    job_id: str
    name: str
    file: Fingerprint
    options: SubmissionOptions

    def save(self, output: str) -> None:
        """Write NAME.job, atomically.

        Raises:
            OSError: it cannot be written.
        """
        document = {
            "job": self.job_id,
            "file": {"name": self.name, **self.file.json()},
            "options": self.options.json(),
        }
        content = json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output + JOB_EXTENSION, content)


def pending_job(output: str) -> PendingJob | None:
    """Return the pending job of an output. None if there is no NAME.job, or a damaged one."""
    try:
        document = json.loads(Path(output + JOB_EXTENSION).read_bytes())
        return PendingJob(
            str(uuid.UUID(document["job"])),
            str(document["file"]["name"]),
            Fingerprint.of_json(document["file"]),
            SubmissionOptions.of_json(document["options"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def forget_job(output: str) -> None:
    """Delete NAME.job.

    Raises:
        OSError: it cannot be deleted.
    """
    Path(output + JOB_EXTENSION).unlink(missing_ok=True)
