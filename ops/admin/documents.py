"""Jobs and their events as JSON documents."""

from datetime import datetime
from typing import Any

from shrutlekh.quantities import span

from shared.jobs import Job, JobEvent


def job_document(job: Job) -> dict[str, Any]:
    """A job's row, without its transcript."""
    return {
        "id": str(job.id),
        "status": job.status.value,
        "progress": job.progress,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "error": {"code": job.error_code, "message": job.error_message} if job.error_code else None,
        "client": job.client,
        "priority": job.priority,
        "model": job.model,
        "file": {"name": job.file_name, "bytes": job.file_bytes, "key": job.file_key},
        "audio_seconds": job.audio_seconds,
        "warnings": job.warnings,
        "created_at": written(job.created_at),
        "available_at": written(job.available_at),
        "started_at": written(job.started_at),
        "finished_at": written(job.finished_at),
        "cancel_requested": job.cancel_requested,
        "lease": {"owner": job.lease_owner, "expires_at": written(job.lease_expires_at)}
        if job.lease_owner
        else None,
    }


def event_document(event: JobEvent) -> dict[str, Any]:
    """A row of the audit trail."""
    return {
        "at": written(event.at),
        "event": event.event,
        "from": event.from_status,
        "to": event.to_status,
        "attempt": event.attempt,
        "code": event.code,
    }


def written(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond."""
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ago(moment: datetime | None, present: datetime) -> str:
    """Format how long ago that was, in the largest unit that fits."""
    if moment is None:
        return ""
    return span((present - moment).total_seconds())
