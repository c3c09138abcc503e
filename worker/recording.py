"""The recording of a job as a local file. From a bucket it is copied first, while its lease is renewed."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from shared.errors import StorageFull, StorageUnavailable
from shared.files import StoredFile
from shared.jobs import Job
from shared.traces import tracer
from worker.lease import Lease
from worker.outage import outlast
from worker.process import WorkerProcess


@contextmanager
def recording_of(process: WorkerProcess, job: Job, lease: Lease) -> Iterator[Path | None]:
    """Yield the path of the job's recording; None if it is stored no more.

    While the storage is away, or the local disk has no room, the copy is tried again for a while.

    Raises:
        StorageUnavailable: the storage stayed away.
        StorageFull: the local disk stayed full.
        FileDamaged: the stored file is not the one that was uploaded.
        Interrupted: the worker stops.
    """
    stored = StoredFile(job.file_key, job.file_bytes, job.file_sha256)

    def is_over() -> bool:
        return process.drain.over

    with ExitStack() as stack:
        path: Path | None
        try:
            if process.files.is_remote:
                with lease.renewing(), tracer.start_as_current_span("download", record_exception=False):
                    path = outlast(
                        lambda _: stack.enter_context(process.files.local(stored, is_over)),
                        process.settings.lease_seconds,
                        is_over,
                        (StorageUnavailable, StorageFull),
                    )
            else:
                path = stack.enter_context(process.files.local(stored))
        except FileNotFoundError:
            path = None
        yield path
