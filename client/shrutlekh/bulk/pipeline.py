"""Run many recordings through a service, a bounded number at a time. A failure does not stop the others."""

import queue
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Any

from shrutlekh_contract.options import RecognitionOptions, SubmissionOptions, declared

from shrutlekh.answers import Job
from shrutlekh.bulk.outputs import SPOKEN, Wanted, earlier_of, existing_outputs, formats_before, write_outputs
from shrutlekh.bulk.recordings import Recording
from shrutlekh.client import ShrutlekhClient
from shrutlekh.errors import ApiError, ClientError, NotShrutlekh, Unreachable

NOTHING_CHOSEN = SubmissionOptions()
# These errors would repeat for every recording, so the run stops.
HOPELESS_CODES = frozenset({"decoder_unavailable", "invalid_request", "model_not_found"})
# Results of an earlier run's job are no longer available.
GONE_CODES = frozenset(
    {"invalid_request", "job_has_no_result", "job_not_found", "transcript_not_made", "waveform_not_made"}
)


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a run.

    Attributes:
        uploads: concurrent uploads.
        in_flight: most recordings between upload and result at a time; bounds memory and open polls.
        wait: whether to wait for results and write them.
        force: whether to transcribe again what an earlier run did.
        chosen: options of each recording. The transcript is always made. If numerals are not set, those of an
            earlier run apply, else "spoken".
        formats: formats to write beside NAME.txt and NAME.json: "srt", "vtt", "tsv".
    """

    uploads: int = 4
    in_flight: int = 32
    wait: bool = True
    force: bool = False
    chosen: SubmissionOptions = NOTHING_CHOSEN
    formats: frozenset[str] = frozenset()

    @property
    def wanted(self) -> Wanted:
        """The outputs to have for each recording."""
        return Wanted(
            self.chosen.model,
            self.chosen.recognition(),
            self.chosen.numerals,
            self.formats - {"txt", "json"},
            self.picture,
        )

    @property
    def picture(self) -> bool:
        """Whether to fetch the waveform's picture."""
        return self.chosen.waveform is not False


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A recording has reached the service."""

    source: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The service does not accept a recording yet, for example because its queue is full."""

    source: str
    reason: str
    seconds: float


Event = Uploaded | Waiting


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a recording.

    Attributes:
        status: "succeeded", "failed", "cancelled", "skipped" (an earlier run did it), "fetched" (missing
            outputs were fetched from an earlier run's job) or "queued" (submitted without waiting).
        seconds: length of the audio; processing_seconds: wall-clock time of the worker.
        error: code and sentence, if it failed.
    """

    source: str
    status: str
    job_id: str | None = None
    text: str | None = None
    seconds: float | None = None
    processing_seconds: float | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    error: tuple[str, str] | None = None


class Submission:
    """Runs recordings through a service in a pool of threads.

    Each thread handles one recording from upload to result, so the pool's size bounds those in flight.
    """

    def __init__(self, client: ShrutlekhClient, recordings: Iterable[Recording], options: Options) -> None:
        self._client = client
        self._options = options
        self._recordings = iter(recordings)
        self._take = threading.Lock()
        self._upload_slots = threading.Semaphore(options.uploads)
        self._writing = threading.Lock()
        self._stopped = threading.Event()
        self._events: queue.SimpleQueue[Event | Outcome | Exception | None] = queue.SimpleQueue()

    def run(self) -> Generator[Event | Outcome, None, None]:
        """Yield events as they happen. Can be iterated once.

        Closing the generator early, for example by Ctrl-C, starts nothing new and leaves no output half
        written.

        Raises:
            Unreachable, NotShrutlekh, ApiError: the service is gone or refuses every recording.
        """
        # Daemons: a poll in progress must not keep the process from ending.
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self._options.in_flight)]
        for thread in threads:
            thread.start()
        working = len(threads)
        hopeless: Exception | None = None
        try:
            while working and hopeless is None:
                match self._events.get():
                    case None:
                        working -= 1
                    case Exception() as error:
                        hopeless = error
                    case event:
                        yield event
        finally:
            self._stopped.set()
            if working:
                self._writing.acquire()  # never released: the last writer is done and no other may start
        if hopeless is not None:
            raise hopeless

    def _work(self) -> None:
        try:
            while not self._stopped.is_set():
                with self._take:
                    recording = next(self._recordings, None)
                if recording is None:
                    break
                self._events.put(self._process(recording))
        except Exception as error:  # noqa: BLE001 - raised again in run()
            self._events.put(error)
        else:
            self._events.put(None)

    def _process(self, recording: Recording) -> Outcome:
        """Handle one recording. Raises only errors that would affect all other recordings as well."""
        try:
            return self._earlier(recording) or self._submit(recording)
        except (Unreachable, NotShrutlekh):
            raise
        except ClientError as error:
            if isinstance(error, ApiError) and error.code in HOPELESS_CODES:
                raise
            return Outcome(recording.source, "failed", error=(error.code, error.message))
        except OSError as error:
            message = f"The output cannot be written: {error.strerror or error}."
            return Outcome(recording.source, "failed", error=("output_unwritable", message))

    def _earlier(self, recording: Recording) -> Outcome | None:
        """Complete the outputs of an earlier run from its job; None if the recording must be done again."""
        if self._options.force or not self._options.wait:
            return None
        earlier = earlier_of(recording, self._options.wanted)
        if earlier is None:
            return None
        document = earlier.document
        if earlier.is_complete:
            return Outcome(
                recording.source,
                "skipped",
                job_id=document.get("job"),
                text=document.get("text"),
                seconds=document.get("seconds"),
                outputs=existing_outputs(recording.output),
            )
        try:
            job = self._client.job(str(document.get("job")))
            if job.status != "succeeded":
                return None
            return self._collect(recording, job, "fetched", self._options.chosen.numerals or earlier.numerals)
        except ApiError as error:
            if error.code not in GONE_CODES:
                raise
            return None

    def _submit(self, recording: Recording) -> Outcome:
        options = self._options
        with self._upload_slots:
            job = self._client.submit(
                recording.source,
                recognition=options.chosen,
                on_wait=lambda reason, seconds: self._events.put(Waiting(recording.source, reason, seconds)),
            )
        self._events.put(Uploaded(recording.source))
        if not options.wait:
            return Outcome(recording.source, job.status, job_id=job.id)
        if not job.final:
            job = self._client.wait_for(job.id)
        if job.status != "succeeded":
            return _failure(recording, job)
        return self._collect(recording, job, "succeeded", options.chosen.numerals or SPOKEN)

    def _collect(self, recording: Recording, job: Job, status: str, numerals: str) -> Outcome:
        """Fetch and write the results of a job."""
        transcript = self._client.transcript(job.id, numerals)
        texts = {"txt": self._text(job, transcript, numerals)}
        for form in sorted(self._options.wanted.formats | formats_before(recording.output)):
            texts[form] = self._client.transcript_text(job.id, form, numerals)
        picture = self._client.waveform_png(job.id) if self._options.picture else None
        recognition = _made_with(job, self._options.chosen)
        with self._writing:
            outputs = write_outputs(
                recording.output, job, transcript, texts, picture, recognition=recognition, numerals=numerals
            )
        return Outcome(
            recording.source,
            status,
            job_id=job.id,
            text=transcript["text"],
            seconds=transcript.get("seconds"),
            processing_seconds=job.processing_seconds,
            outputs=outputs,
        )

    def _text(self, job: Job, transcript: dict[str, Any], numerals: str) -> str:
        """Return the contents of NAME.txt. A single segment is one paragraph, so it needs no request."""
        match transcript["segments"]:
            case []:
                return ""
            case [segment] if segment.get("channel") is None:
                return f"{transcript['text']}\n"
        return self._client.transcript_text(job.id, "txt", numerals)


def _made_with(job: Job, asked: RecognitionOptions) -> RecognitionOptions:
    """Return the options in the job's JSON, or the requested ones where the JSON lacks them."""
    return RecognitionOptions(
        **{name: getattr(job, name, getattr(asked, name)) for name in declared(RecognitionOptions)}
    )


def _failure(recording: Recording, job: Job) -> Outcome:
    if job.error is not None:
        error = job.error.code, job.error.message
    else:
        error = job.status, f"The job was {job.status}."
    return Outcome(recording.source, job.status, job_id=job.id, error=error)
