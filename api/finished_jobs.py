"""Read the results of finished jobs, or raise the error that says why a job has none."""

import json
import uuid
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from shrutlekh_contract.audio_warnings import AudioWarning
from shrutlekh_contract.model_card import FILE_NAME
from starlette.requests import Request

from api.http.paths import Paths
from api.http.schemas import RevisionOut
from api.services import Services
from shared.errors import (
    JobFailed,
    JobHasNoResult,
    JobNotFinished,
    RevisionNotFound,
    SpectrogramNotMade,
    StillRunning,
    TranscriptNotMade,
    WaveformNotMade,
)
from shared.installed_models import read_card
from shared.jobs import (
    Job,
    JobStatus,
    RevisionRow,
    SegmentRow,
    read_job,
    read_revision,
    read_segments,
    read_spectrogram_png,
    read_waveform_png,
    waveform_peaks,
)
from transcript.transcript import Numerals, Transcript, words_of
from transcript.words import Segment, mean_confidence

UNKNOWN_LANGUAGE = "und"  # BCP 47 "undetermined", if the model has been removed since


NEWEST: Final = "latest"
MACHINE: Final = "machine"
RevisionChoice = Literal["latest", "machine"] | int
"""Which text: the newest corrected one, or else the machine's; the machine's; a revision by its number."""


class FinishedTranscript(NamedTuple):
    """A succeeded job and its transcript, and the revision that it is; None for the text of the machine."""

    job: Job
    transcript: Transcript
    revision: RevisionRow | None

    def document(self) -> dict[str, Any]:
        """Return the JSON format as plain values."""
        revision = None if self.revision is None else RevisionOut.of(self.revision).model_dump(mode="json")
        return {"job_id": str(self.job.id), "revision": revision, **self.transcript.document()}


def read_transcript(
    services: Services,
    paths: Paths,
    job_id: uuid.UUID,
    numerals: Numerals,
    tenant: str | None,
    revision: RevisionChoice = NEWEST,
) -> FinishedTranscript:
    """Read the transcript of a succeeded job, with numbers in ``numerals``.

    Args:
        tenant: whose job it must be; None for anybody's.

    Raises:
        JobNotFound, JobNotFinished, JobHasNoResult, TranscriptNotMade: the job has no transcript.
        RevisionNotFound: it has no such revision.
    """
    job = _succeeded(services, paths, job_id, tenant)
    return transcript_of(services, job, numerals, revision)


def require_transcript(services: Services, paths: Paths, job_id: uuid.UUID, tenant: str | None) -> Job:
    """Return a succeeded job that has a transcript. Raises as :func:`read_transcript`."""
    job = _succeeded(services, paths, job_id, tenant)
    _require_made(job)
    return job


def transcript_of(
    services: Services, job: Job, numerals: Numerals, revision: RevisionChoice = NEWEST
) -> FinishedTranscript:
    """Read the transcript of a job that is known to have succeeded.

    Raises:
        JobNotFound: it was erased since.
        TranscriptNotMade: it has no transcript.
        RevisionNotFound: it has no such revision.
    """
    _require_made(job)
    corrected = _revision(services, job, revision)
    if corrected is None:
        rows = read_segments(services.database, job.id)
        if not rows:
            read_job(services.database, job.id)  # raises if it was erased since; otherwise it has no speech
        segments = map(segment_of, rows)
    else:
        segments = map(corrected_segment, corrected.segments)
    transcript = Transcript.of(
        segments,
        language=_language_of(services, job.model),
        seconds=job.audio_seconds or 0.0,
        model=job.model,
        model_version=job.model_version,
        speech_seconds=job.speech_seconds,
        warnings=map(AudioWarning.of_json, job.warnings or ()),
    )
    return FinishedTranscript(job, transcript.with_numerals(numerals), corrected)


def _require_made(job: Job) -> None:
    if not job.transcript:
        raise TranscriptNotMade("The job was submitted with transcript=false. Submit the recording again.")


def _revision(services: Services, job: Job, choice: RevisionChoice) -> RevisionRow | None:
    """Return the chosen revision; None if the text is to be the machine's."""
    number = job.revision if choice == NEWEST else choice
    if number is None or number == MACHINE:
        return None
    row = read_revision(services.database, job.id, int(number))
    if row is None and choice != NEWEST:
        raise RevisionNotFound(
            f"The job has no revision {number}, or not any more. GET .../revisions lists them."
        )
    return row  # None if the corrections were erased since


def read_png(services: Services, paths: Paths, job_id: uuid.UUID, tenant: str | None) -> bytes:
    """Read the picture of a succeeded job as PNG.

    Raises:
        JobNotFound, JobNotFinished, JobHasNoResult, WaveformNotMade: the job has no picture.
    """
    _succeeded(services, paths, job_id, tenant)
    png = read_waveform_png(services.database, job_id)
    return png if png is not None else _no_waveform(services, job_id)


def read_spectrogram(services: Services, paths: Paths, job_id: uuid.UUID, tenant: str | None) -> bytes:
    """Read the spectrogram of a succeeded job as PNG.

    Raises:
        JobNotFound, JobNotFinished, JobHasNoResult, SpectrogramNotMade: the job has no spectrogram.
    """
    _succeeded(services, paths, job_id, tenant)
    png = read_spectrogram_png(services.database, job_id)
    if png is None:
        read_job(services.database, job_id)  # raises if the job was erased since
        raise SpectrogramNotMade(
            "The job was submitted without spectrogram=true. Submit the recording again."
        )
    return png


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


def corrected_segment(document: dict[str, Any]) -> Segment:
    """Return the segment that a revision holds."""
    words = words_of(document["words"])
    return Segment(
        start=document["start"],
        end=document["end"],
        text=" ".join(word.text for word in words),
        confidence=mean_confidence(words),
        words=words,
        channel=document["channel"],
    )
