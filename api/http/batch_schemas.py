"""The JSON of batches."""

import uuid
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field, JsonValue

from api.http import examples
from api.http.caching import weak_etag
from api.http.paths import Paths
from api.http.schemas import Fraction, Shape, with_example
from shared.jobs import Batch, BatchProgress, JobStatus


class BatchStatus(StrEnum):
    """What a batch does, by the states of its jobs."""

    QUEUED = "queued"  # no job has started
    RUNNING = "running"
    FINISHED = "finished"  # all jobs have ended, however they did


class SkippedOut(Shape):
    """A file or folder of the archive that got no job."""

    name: str
    reason: str = Field(description="`clutter`: operating systems add it.")


class BatchLinksOut(Shape):
    """Paths of a batch and what belongs to it on this host; null if it does not exist yet."""

    self: str
    jobs: str
    results_zip: str | None
    events: str


class BatchOut(Shape):
    """A batch: recordings that were submitted together, each with a job."""

    model_config = with_example(examples.BATCH)

    id: uuid.UUID
    name: str = Field(description="The client's name for it, cleaned; only displayed.")
    status: BatchStatus
    progress: Fraction = Field(description="What part of the bytes is done. An ended job is done.")
    jobs: int = Field(description="How many recordings were submitted.")
    counts: dict[JobStatus, int] = Field(description="Number of jobs in each state.")
    erased: int = Field(description="Number of jobs that were erased since; they are in no other count.")
    total_bytes: int = Field(description="Bytes of the recordings that are not erased.")
    created_at: datetime
    finished_at: datetime | None = Field(description="When the last job ended; null while one has not.")
    seconds_left: float | None = Field(
        description="Estimated from the bytes that this batch got done per second since its first job "
        "started; null before something is done, and at the end."
    )
    expected_finish_at: datetime | None = Field(description="The same estimate as a time.")
    skipped: list[SkippedOut] = Field(
        description="Files and folders of the archive that are no recordings; the first 1,000."
    )
    options: dict[str, JsonValue] = Field(description="The options of the jobs.")
    links: BatchLinksOut

    @classmethod
    def of(cls, batch: Batch, progress: BatchProgress, paths: Paths) -> "BatchOut":
        """Make the model of ``batch``, with links below the prefix of ``paths``."""
        own = paths.batch(batch.id)
        left = progress.seconds_left
        is_finished = not progress.unfinished
        return cls(
            id=batch.id,
            name=batch.name,
            status=_status_of(progress),
            progress=progress.fraction,
            jobs=batch.jobs,
            counts=progress.jobs,
            erased=batch.jobs - sum(progress.jobs.values()),
            total_bytes=sum(progress.sizes.values()),
            created_at=batch.created_at,
            finished_at=(batch.finished_at or progress.last_end) if is_finished else None,
            seconds_left=None if left is None else round(left, 1),
            expected_finish_at=None if left is None else progress.at + timedelta(seconds=left),
            skipped=[SkippedOut(**one) for one in batch.skipped],
            options=batch.options,
            links=BatchLinksOut(
                self=own,
                jobs=paths.jobs_of(batch.id),
                results_zip=f"{own}/results.zip" if is_finished else None,
                events=f"{own}/events",
            ),
        )

    @property
    def etag(self) -> str:
        """ETag that does not change with the estimate, which is another one at each moment."""
        timeless = self.model_copy(update={"seconds_left": None, "expected_finish_at": None})
        return weak_etag(timeless.to_json())

    def to_json(self) -> bytes:
        """Return UTF-8 JSON with Devanagari unescaped."""
        return self.model_dump_json().encode()


class BatchesOut(Shape):
    """A page of batches, newest first."""

    model_config = with_example(examples.BATCHES)

    batches: list[BatchOut]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last page.")


def _status_of(progress: BatchProgress) -> BatchStatus:
    if not progress.unfinished:
        return BatchStatus.FINISHED
    has_begun = progress.unfinished > progress.jobs[JobStatus.QUEUED] or progress.started_at is not None
    return BatchStatus.RUNNING if has_begun else BatchStatus.QUEUED
