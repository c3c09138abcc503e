"""Many recordings through a service: a bounded number in flight, one failing never stops the rest."""

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
# The same for every recording, so going on is of no use.
HOPELESS_CODES = frozenset({"decoder_unavailable", "invalid_request", "model_not_found"})
# The job of an earlier run has nothing more to give.
GONE_CODES = frozenset(
    {"invalid_request", "job_has_no_result", "job_not_found", "transcript_not_made", "waveform_not_made"}
)


@dataclass(frozen=True, slots=True)
class Options:
    """What to ask of the service for each recording.

    Attributes:
        uploads: recordings uploaded at a time.
        in_flight: recordings between upload and result at a time, which bounds memory and open polls.
        wait: whether to wait for results and write them.
        force: whether to do again what an earlier run did.
        chosen: options of the recordings. The words are always made. Numerals that are not chosen are what an
            earlier run chose, else "spoken".
        formats: what to write beside NAME.txt and NAME.json: "srt", "vtt", "tsv".
    """

    uploads: int = 4
    in_flight: int = 32
    wait: bool = True
    force: bool = False
    chosen: SubmissionOptions = NOTHING_CHOSEN
    formats: frozenset[str] = frozenset()

    @property
    def wanted(self) -> Wanted:
        """What there shall be of each recording."""
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
    """The service does not take a recording yet, as when its queue is full: why, and for how long."""

    source: str
    reason: str
    seconds: float


Event = Uploaded | Waiting


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went with a recording.

    Attributes:
        status: "succeeded", "failed", "cancelled", "skipped" (an earlier run did it), "fetched" (an earlier
            run's job had what was missing) or "queued" (submitted without waiting).
        seconds: length of the audio; processing_seconds: a worker's time.
        error: code and sentence, where it failed.
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
    """Runs recordings through a service on threads of its own.

    Each thread takes one recording all its way, so there are never more in flight than threads.
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
        """What happens, as it happens; to be iterated once.

        Leaving it early, by Ctrl-C for example, begins nothing new and leaves no output half written.

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
                self._writing.acquire()  # never given back: whoever was writing is done, nobody else begins
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
        except Exception as error:  # noqa: BLE001 - raised again by whoever iterates
            self._events.put(error)
        else:
            self._events.put(None)

    def _process(self, recording: Recording) -> Outcome:
        """One recording all its way. Raises only what the other recordings would meet as well."""
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
        """What an earlier run did, completed by what its job still has; None if it must be done again."""
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
        """Fetch what the job made and write it."""
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
        """NAME.txt. A single segment is one paragraph: there is no need to ask for it."""
        match transcript["segments"]:
            case []:
                return ""
            case [segment] if segment.get("channel") is None:
                return f"{transcript['text']}\n"
        return self._client.transcript_text(job.id, "txt", numerals)


def _made_with(job: Job, asked: RecognitionOptions) -> RecognitionOptions:
    """The options of the job, as asked where its document does not name them."""
    return RecognitionOptions(
        **{name: getattr(job, name, getattr(asked, name)) for name in declared(RecognitionOptions)}
    )


def _failure(recording: Recording, job: Job) -> Outcome:
    if job.error is not None:
        error = job.error.code, job.error.message
    else:
        error = job.status, f"The job was {job.status}."
    return Outcome(recording.source, job.status, job_id=job.id, error=error)
