"""Read the results of finished jobs, or raise the error that says why a job has none."""

import json
import uuid
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from shrutlekh_contract.audio_warnings import AudioWarning
from shrutlekh_contract.model_card import FILE_NAME
from starlette.requests import Request

from api.http.paths import Paths
from api.services import Services
from shared.errors import (
    JobFailed,
    JobHasNoResult,
    JobNotFinished,
    StillRunning,
    TranscriptNotMade,
    WaveformNotMade,
)
from shared.installed_models import read_card
from shared.jobs import (
    Job,
    JobStatus,
    SegmentRow,
    read_job,
    read_segments,
    read_waveform_png,
    waveform_peaks,
)
from transcript.transcript import Numerals, Transcript, words_of
from transcript.words import Segment

UNKNOWN_LANGUAGE = "und"  # BCP 47 "undetermined", if the model has been removed since


class FinishedTranscript(NamedTuple):
    """A succeeded job and its transcript."""

    job: Job
    transcript: Transcript


def read_transcript(
    services: Services, paths: Paths, job_id: uuid.UUID, numerals: Numerals, tenant: str | None
) -> FinishedTranscript:
    """Read the transcript of a succeeded job, with numbers in ``numerals``.

    Args:
        tenant: whose job it must be; None for anybody's.

    Raises:
        JobNotFound, JobNotFinished, JobHasNoResult, TranscriptNotMade: the job has no transcript.
    """
    job = _succeeded(services, paths, job_id, tenant)
    return FinishedTranscript(job, transcript_of(services, job, numerals))


def transcript_of(services: Services, job: Job, numerals: Numerals) -> Transcript:
    """Read the transcript of a job that is known to have succeeded.

    Raises:
        JobNotFound: it was erased since.
        TranscriptNotMade: it has no transcript.
    """
    if not job.transcript:
        raise TranscriptNotMade("The job was submitted with transcript=false. Submit the recording again.")
    rows = read_segments(services.database, job.id)
    if not rows:
        read_job(services.database, job.id)  # raises if the job was erased since; otherwise it has no speech
    transcript = Transcript.of(
        map(segment_of, rows),
        language=_language_of(services, job.model),
        seconds=job.audio_seconds or 0.0,
        model=job.model,
        speech_seconds=job.speech_seconds,
        warnings=map(AudioWarning.of_json, job.warnings or ()),
    )
    return transcript.with_numerals(numerals)


def read_png(services: Services, paths: Paths, job_id: uuid.UUID, tenant: str | None) -> bytes:
    """Read the picture of a succeeded job as PNG.

    Raises:
        JobNotFound, JobNotFinished, JobHasNoResult, WaveformNotMade: the job has no picture.
    """
    _succeeded(services, paths, job_id, tenant)
    png = read_waveform_png(services.database, job_id)
    return png if png is not None else _no_waveform(services, job_id)


def read_peaks(services: Services, paths: Paths, job_id: uuid.UUID, tenant: str | None) -> bytes:
    """Read the peaks of a succeeded job as JSON. Raises the errors of :func:`read_png`."""
    _succeeded(services, paths, job_id, tenant)
    with services.database.read() as session:
        peaks = waveform_peaks(session, job_id)
    if peaks is None:
        _no_waveform(services, job_id)
    return json.dumps(peaks, ensure_ascii=False, separators=(",", ":")).encode()


async def wait_for_success(request: Request, services: Services, paths: Paths, job_id: uuid.UUID) -> Job:
    """Wait for a job in the request that submitted it, at most ``simple_wait_seconds``.

    Raises:
        JobFailed, JobHasNoResult: the job failed, or was cancelled meanwhile.
        StillRunning: the job did not finish in time, or the client disconnected.
    """

    job = await services.watcher.wait(
        services.watcher.watching_job(job_id),
        read=lambda: services.threads.read(lambda: read_job(services.database, job_id).job),
        until=lambda job: job.status.is_final,
        seconds=services.settings.simple_wait_seconds,
        is_gone=request.is_disconnected,
        only_end=True,
    )
    refuse_unless_succeeded(job, paths)
    return job


def refuse_unless_succeeded(job: Job, paths: Paths) -> None:
    """Raise the error of a simple form whose job did not succeed in time.

    Raises:
        JobFailed: the job failed or was cancelled.
        StillRunning: the job has not ended yet.
    """
    path = paths.job(job.id)
    link = {"id": str(job.id), "job": path}
    if job.status is JobStatus.FAILED:
        code = job.error_code or "worker_error"
        raise JobFailed(code, job.error_message or "", extra=link)
    if job.status is JobStatus.CANCELLED:
        raise JobHasNoResult("The job was cancelled while this request waited for it.", extra=link)
    if job.status is not JobStatus.SUCCEEDED:
        raise StillRunning(
            f"The job is still in progress. Poll it at {path}.",
            headers={"Location": path},
            extra=link,
        )


def _succeeded(services: Services, paths: Paths, job_id: uuid.UUID, tenant: str | None) -> Job:
    job, _ = read_job(services.database, job_id, tenant)
    if not job.status.is_final:
        raise JobNotFinished(
            f"The job is {job.status}. Poll {paths.job(job_id)} until it has ended.",
            headers={"Retry-After": "1"},
        )
    if job.status is JobStatus.FAILED:
        raise JobHasNoResult(
            f"The job failed: {job.error_message}",
            extra={"error": {"code": job.error_code, "message": job.error_message}},
        )
    if job.status is JobStatus.CANCELLED:
        raise JobHasNoResult("The job was cancelled.")
    return job


def _no_waveform(services: Services, job_id: uuid.UUID) -> Any:
    read_job(services.database, job_id)  # raises if the job was erased since
    raise WaveformNotMade("The job was submitted with waveform=false. Submit the recording again.")


def _language_of(services: Services, name: str) -> str:
    folder = services.settings.models_dir / name
    try:
        return _language_in(folder, (folder / FILE_NAME).stat().st_mtime_ns)
    except OSError:
        return UNKNOWN_LANGUAGE


@lru_cache(maxsize=64)
def _language_in(folder: Path, _modified_ns: int) -> str:
    """Return the language that a model's card names. It is read again when it was modified."""
    model = read_card(folder)
    return UNKNOWN_LANGUAGE if model is None else model.language


def segment_of(row: SegmentRow) -> Segment:
    """Return the segment that a row of the database holds."""
    return Segment(
        start=row.start_seconds,
        end=row.end_seconds,
        text=row.text,
        confidence=row.confidence,
        words=words_of(row.words),
        channel=row.channel,
        avg_logprob=row.avg_logprob,
    )
