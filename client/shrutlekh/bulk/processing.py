"""Process one recording: take up its job, keep its outputs, or submit it; then write what the job made."""

import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Any, Final

from shrutlekh_contract.options import SubmissionOptions
from shrutlekh_contract.statuses import JobStatus

from shrutlekh.answers import Job
from shrutlekh.bulk.contents import Content, Fingerprint
from shrutlekh.bulk.earlier_outputs import earlier_outputs
from shrutlekh.bulk.events import Event, Outcome, Renamed, Uploaded, Waiting
from shrutlekh.bulk.outputs import (
    SPOKEN,
    existing_outputs,
    formats_before,
    former_output,
    rename_outputs,
    write_outputs,
)
from shrutlekh.bulk.pending_jobs import PendingJob, forget_job, pending_job
from shrutlekh.bulk.provenance import Provenance, ServiceModels
from shrutlekh.bulk.recordings import Recording
from shrutlekh.bulk.run_options import Options
from shrutlekh.bulk.submission_keys import submission_key
from shrutlekh.client import ShrutlekhClient
from shrutlekh.errors import ApiError

# Results of an earlier run's job are no longer available.
GONE_CODES: Final = frozenset(
    {"invalid_request", "job_has_no_result", "job_not_found", "transcript_not_made", "waveform_not_made"}
)
WITHOUT_RESULT: Final = frozenset({JobStatus.FAILED, JobStatus.CANCELLED})
DERIVED_KEYS: Final = 2
"""How many derived keys to try. If all have jobs that failed, a random key ends the search."""


class Processor:
    """Processes recordings, from several threads at a time.

    Args:
        models: the models of the service.
        report: called with each event.
        upload_slot: held during an upload.
        writing: held while files are written, so that a run can end between two writes.
    """

    def __init__(
        self,
        client: ShrutlekhClient,
        options: Options,
        models: ServiceModels,
        report: Callable[[Event], None],
        upload_slot: AbstractContextManager[Any],
        writing: AbstractContextManager[Any],
    ) -> None:
        self._client = client
        self._options = options
        self._models = models
        self._report = report
        self._upload_slot = upload_slot
        self._writing = writing
        self._identifying = replace(options.chosen, model=options.chosen.model or models.default)
        self._at_service: set[str] = set()

    @property
    def at_service(self) -> int:
        """How many recordings have a job whose results are not written yet."""
        return len(self._at_service)

    def process(self, recording: Recording) -> Outcome:
        """Process a recording and return its outcome.

        Raises:
            ClientError: the recording cannot be read, or the service does not answer or refuses.
            OSError: an output cannot be written.
        """
        content = Content(recording.source)
        self._rename(recording, content)
        if self._options.force:
            return self._submit(recording, content)
        outcome, failed = None, None
        if (found := self._pending(recording, content)) is not None:
            pending, job = found
            if job.status in WITHOUT_RESULT:
                failed = job.id
            else:
                outcome = self._take_up(recording, job, pending.options)
        return outcome or self._keep(recording, content) or self._submit(recording, content, failed)

    def _rename(self, recording: Recording, content: Content) -> None:
        """Give the outputs of an earlier run the name that they have in this run."""
        before = former_output(recording, content)
        if before is not None:
            with self._writing:
                rename_outputs(before, recording.output)
            self._report(Renamed(recording.source, before, recording.output))

    def _pending(self, recording: Recording, content: Content) -> tuple[PendingJob, Job] | None:
        """Return the job of an earlier run whose results are wanted but not written, if it still exists."""
        pending = pending_job(recording.output)
        if pending is None or not content.is_same_as(pending.file):
            return None
        job = self._job(pending.job_id)
        if job is None or (self._options.picture and not job.waveform):
            return None
        provenance = Provenance.of_job(job, pending.options, self._models)
        if not provenance.satisfies(self._options.chosen, self._models):
            return None
        return pending, job

    def _take_up(self, recording: Recording, job: Job, requested: SubmissionOptions) -> Outcome | None:
        """Finish the job of an earlier run; None if its results are gone.

        Args:
            requested: the options that the job was submitted with.
        """
        try:
            return self._finish(recording, job, requested, is_new=False)
        except ApiError as error:
            if error.code not in GONE_CODES:
                raise
            return None

    def _keep(self, recording: Recording, content: Content) -> Outcome | None:
        """Keep the outputs of an earlier run and complete them from its job; None if that is not possible."""
        earlier = earlier_outputs(recording, content, self._options.wanted, self._models)
        if earlier is None:
            return None
        if earlier.is_complete:
            return Outcome(
                recording.source,
                "skipped",
                job_id=earlier.document.get("job"),
                text=earlier.document.get("text"),
                seconds=earlier.document.get("seconds"),
                outputs=existing_outputs(recording.output),
                warnings=earlier.warnings,
                kept_model=self._kept(earlier.provenance),
            )
        job = self._job(str(earlier.document.get("job")))
        if job is None or job.status != JobStatus.SUCCEEDED:
            return None
        requested = replace(earlier.provenance.requested, numerals=earlier.numerals)
        return self._take_up(recording, job, requested)

    def _job(self, job_id: str) -> Job | None:
        """Return a job; None if the service does not have it."""
        try:
            return self._client.job(job_id)
        except ApiError as error:
            if error.code not in GONE_CODES:
                raise
            return None

    def _submit(self, recording: Recording, content: Content, after: str | None = None) -> Outcome:
        """Upload a recording, unless a job has its bytes and options, and finish its job.

        Args:
            after: id of a job with these bytes and options that failed or was cancelled.
        """
        chosen = self._options.chosen
        modified_ns = content.modified_ns  # before the upload, so that a later change shows
        with self._upload_slot:
            job = self._uploaded(recording, content, after)
        pending = PendingJob(
            job.id,
            recording.name,
            Fingerprint(job.file.bytes, modified_ns, job.file.sha256),
            replace(chosen, client=None),
        )
        with suppress(OSError), self._writing:  # without NAME.job, the next run uploads again
            pending.save(recording.output)
        self._report(Uploaded(recording.source))
        # A job that has already ended is an earlier run's: the key led to it.
        return self._finish(recording, job, chosen, is_new=not job.final)

    def _uploaded(self, recording: Recording, content: Content, after: str | None) -> Job:
        """Upload a recording and return its job, which is new or has not failed."""
        for _ in range(0 if self._options.force else DERIVED_KEYS):
            key = submission_key(content.sha256(), self._identifying, after)
            try:
                job = self._post(recording, key)
            except ApiError as error:
                if error.code != "idempotency_conflict":
                    raise
                after = key
            else:
                if job.status not in WITHOUT_RESULT:
                    return job
                after = job.id
        return self._post(recording, str(uuid.uuid4()))

    def _post(self, recording: Recording, key: str) -> Job:
        return self._client.submit(
            recording.source,
            recognition=self._options.chosen,
            idempotency_key=key,
            on_wait=lambda reason, seconds: self._report(Waiting(recording.source, reason, seconds)),
        )

    def _finish(
        self, recording: Recording, job: Job, requested: SubmissionOptions, *, is_new: bool
    ) -> Outcome:
        """Wait for a job and write its results, if the run waits at all.

        Args:
            requested: the options that the job was submitted with.
            is_new: whether this run made the job.
        """
        self._at_service.add(recording.source)
        if not self._options.wait:
            return Outcome(recording.source, job.status, job_id=job.id, is_taken_up=not is_new)
        if not job.final:
            job = self._client.wait_for(job.id)
        if job.status == JobStatus.SUCCEEDED:
            outcome = self._collect(recording, job, requested, "succeeded" if is_new else "fetched")
        else:
            outcome = _failure(recording, job)
        self._at_service.discard(recording.source)
        return outcome

    def _collect(self, recording: Recording, job: Job, requested: SubmissionOptions, status: str) -> Outcome:
        """Fetch and write the results of a job."""
        numerals = self._options.chosen.numerals or requested.numerals or SPOKEN
        transcript = self._client.transcript(job.id, numerals)
        texts = {"txt": self._text(job, transcript, numerals)}
        for form in sorted(self._options.wanted.formats | formats_before(recording.output)):
            texts[form] = self._client.transcript_text(job.id, form, numerals)
        picture = self._client.waveform_png(job.id) if self._options.picture else None
        provenance = Provenance.of_job(job, requested, self._models)
        with self._writing:
            outputs = write_outputs(recording, job, transcript, texts, picture, provenance, numerals)
            forget_job(recording.output)
        return Outcome(
            recording.source,
            status,
            job_id=job.id,
            text=transcript["text"],
            seconds=transcript.get("seconds"),
            processing_seconds=job.processing_seconds,
            outputs=outputs,
            warnings=job.warnings,
            kept_model=self._kept(provenance),
        )

    def _text(self, job: Job, transcript: Mapping[str, Any], numerals: str) -> str:
        """Return the contents of NAME.txt. A single segment is one paragraph, so it needs no request."""
        match transcript["segments"]:
            case []:
                return ""
            case [segment] if segment.get("channel") is None:
                return f"{transcript['text']}\n"
        return self._client.transcript_text(job.id, "txt", numerals)

    def _kept(self, provenance: Provenance) -> str | None:
        """Return the model of a text if it is not the one that the service would use now."""
        is_other = self._options.chosen.model is None and provenance.used.model != self._models.default
        return provenance.used.model if is_other else None


def _failure(recording: Recording, job: Job) -> Outcome:
    if job.error is not None:
        error = job.error.code, job.error.message
    else:
        error = job.status, f"The job was {job.status}."
    return Outcome(recording.source, job.status, job_id=job.id, error=error)
