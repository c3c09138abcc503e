"""Stored recordings and jobs: files without a job, jobs without a file. Read-only."""

import time
import uuid
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import islice

from shrutlekh.quantities import counted, size

from ops.doctor.findings import Area, Check, Finding, ok, problem, warning
from ops.installation import Installation
from shared.errors import StorageFull, StorageUnavailable
from shared.files import FileDamaged
from shared.jobs import kept_files, named_keys, statuses_of_kept

AT_ONCE = 500
LOOK_SECONDS = 30.0
MEND_SECONDS = 1200.0  # two of the sweeper's passes over the files
SHOWN = 3
BUCKET_ADVICE = (
    "Look at SHRUTLEKH_FILES_URL, SHRUTLEKH_S3_ENDPOINT, SHRUTLEKH_S3_REGION, SHRUTLEKH_S3_ADDRESSING, the "
    "credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and the rights that docs/s3.md lists."
)


def orphans(installation: Installation) -> Finding:
    """Are there old files without a job?"""
    before = time.time() - installation.settings.orphan_seconds - MEND_SECONDS
    deadline = time.monotonic() + LOOK_SECONDS
    seen = count = total = 0
    keys = installation.files.keys(before)
    while (batch := list(islice(keys, AT_ONCE))) and time.monotonic() < deadline:
        with installation.database.read() as session:
            named = named_keys(session, batch)
        seen += len(batch)
        for key in set(batch) - named:
            with suppress(FileNotFoundError):  # its job has just been erased
                total += installation.files.size(key)
                count += 1
    looked = f"among {counted(seen, 'old file')}{' looked at' if batch else ''}"
    if count == 0:
        return ok(f"No file without a job {looked}.")
    return warning(
        f"{counted(count, 'file')} without a job {looked}, {size(total)}.",
        "The sweeper deletes them: make sure that it runs. If these are most of the files, stop the sweeper "
        "first: SHRUTLEKH_DATABASE_URL and the place of the recordings do not belong together.",
    )


def missing(installation: Installation) -> Finding:
    """Are there jobs whose recording is missing?"""
    deadline = time.monotonic() + LOOK_SECONDS
    suspects: list[uuid.UUID] = []
    seen, is_whole = 0, True
    kept = kept_files(installation.database, AT_ONCE)
    while batch := list(islice(kept, AT_ONCE)):
        seen += len(batch)
        absent = installation.files.missing([key for _, key in batch])
        suspects += [job_id for job_id, key in batch if key in absent]
        if time.monotonic() > deadline:
            is_whole = False
            break
    ended, to_do = _still_there(installation, suspects)
    looked = f"among {counted(seen, 'job')}{'' if is_whole else ' looked at'}"
    settings = installation.settings
    if settings.files_url:
        where = f"SHRUTLEKH_FILES_URL ({settings.files_url}) is the bucket of this database"
    else:
        where = (
            f"SHRUTLEKH_DATA_DIR ({settings.data_dir.resolve()}) is the folder of this database and its disk "
            "is mounted"
        )
    advice = f"Look whether {where}; else restore the recordings from a backup, or submit them again."
    if to_do:
        shown = ", ".join(map(str, to_do[:SHOWN]))
        return problem(
            f"The recording of {counted(len(to_do), 'job')} still to be done is gone, {looked}: {shown}.",
            advice,
        )
    if ended:
        return warning(f"The recording of {counted(ended, 'finished job')} is gone, {looked}.", advice)
    return ok(f"No recording is missing, {looked}.")


def _still_there(installation: Installation, suspects: Sequence[uuid.UUID]) -> tuple[int, list[uuid.UUID]]:
    """Count the finished and list the unfinished ones of the suspects whose file should still exist."""
    ended, to_do = 0, []
    for start in range(0, len(suspects), AT_ONCE):
        with installation.database.read() as session:
            found = statuses_of_kept(session, suspects[start : start + AT_ONCE])
        for job_id, status in found:
            if status.is_final:
                ended += 1
            else:
                to_do.append(job_id)
    return ended, to_do


def bucket(installation: Installation) -> Finding:
    """Can a file be written to the bucket, read and deleted?"""
    settings = installation.settings
    if not settings.files_url:
        return ok("The recordings are in the data folder.")
    content = b"written by shrutlekh doctor"
    try:
        with closing(installation.files.receive(len(content))) as upload:
            upload.write(content)
            stored = upload.commit()
        try:
            with installation.files.local(stored) as copy:
                copy.read_bytes()
            next(installation.files.keys(), None)
            installation.files.remove_partial(0)
        finally:
            installation.files.delete(stored.key)
        if installation.files.exists(stored.key):
            return problem(f"What is deleted from {settings.files_url} stays.", BUCKET_ADVICE)
    except (StorageUnavailable, StorageFull, FileNotFoundError, FileDamaged, OSError) as error:
        return problem(
            f"{settings.files_url} cannot be written, read, listed and deleted from: "
            f"{installation.reason(error)}",
            BUCKET_ADVICE,
        )
    return ok(f"{settings.files_url} can be written, read, listed and deleted from.")


CHECKS = (
    Check(Area.RECORDINGS, "bucket", bucket, needs=("folder",), seconds=2 * LOOK_SECONDS),
    Check(
        Area.RECORDINGS, "orphans", orphans, needs=("schema", "folder", "bucket"), seconds=2 * LOOK_SECONDS
    ),
    Check(
        Area.RECORDINGS, "missing", missing, needs=("schema", "folder", "bucket"), seconds=2 * LOOK_SECONDS
    ),
)
