"""Run many recordings through a service, a bounded number at a time. A failure does not stop the others."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Final

from shrutlekh.api_keys import KEY_ERRORS
from shrutlekh.bulk.events import Event, Outcome
from shrutlekh.bulk.processing import Processor
from shrutlekh.bulk.provenance import ServiceModels
from shrutlekh.bulk.readiness_watch import WATCH_SECONDS, ReadinessWatch
from shrutlekh.bulk.recordings import Recording
from shrutlekh.bulk.run_options import Options
from shrutlekh.client import ShrutlekhClient
from shrutlekh.errors import ApiError, ClientError, NotShrutlekh, Unreachable

# These errors would repeat for every recording, so the run stops.
HOPELESS_CODES: Final = KEY_ERRORS | {"decoder_unavailable", "invalid_request", "model_not_found"}


class Submission:
    """Runs recordings through a service in a pool of threads.

    Each thread handles one recording from upload to result, so the pool's size bounds those in flight.

    Args:
        watch_seconds: how often to check that the service works on the jobs.
    """

    def __init__(
        self,
        client: ShrutlekhClient,
        recordings: Iterable[Recording],
        options: Options,
        watch_seconds: float = WATCH_SECONDS,
    ) -> None:
        self._client = client
        self._options = options
        self._recordings = iter(recordings)
        self._take = threading.Lock()
        self._writing = threading.Lock()
        self._stopped = threading.Event()
        self._events: queue.SimpleQueue[Event | Outcome | Exception | None] = queue.SimpleQueue()
        self._watch = ReadinessWatch(client, self._events.put, watch_seconds)
        self._processor: Processor | None = None

    @property
    def at_service(self) -> int:
        """How many recordings have a job at the service whose results are not written yet."""
        return 0 if self._processor is None else self._processor.at_service

    def run(self) -> Generator[Event | Outcome, None, None]:
        """Yield events as they happen. Can be iterated once.

        Closing the generator early, for example by Ctrl-C, starts nothing new and leaves no output half
        written.

        Raises:
            Unreachable, NotShrutlekh, ApiError: the service is gone or refuses every recording.
        """
        self._processor = Processor(
            self._client,
            self._options,
            ServiceModels.of(self._client.models()),
            report=self._events.put,
            upload_slot=threading.Semaphore(self._options.uploads),
            writing=self._writing,
        )
        # Daemons: a poll in progress must not keep the process from ending.
        threads = [
            threading.Thread(target=self._work, args=(self._processor,), daemon=True)
            for _ in range(self._options.in_flight)
        ]
        threading.Thread(target=self._watch_service, daemon=True).start()
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

    def _work(self, processor: Processor) -> None:
        try:
            while not self._stopped.is_set():
                with self._take:
                    recording = next(self._recordings, None)
                if recording is None:
                    break
                self._events.put(_outcome(processor, recording))
        except Exception as error:  # noqa: BLE001 - raised again in run()
            self._events.put(error)
        else:
            self._events.put(None)

    def _watch_service(self) -> None:
        try:
            self._watch.run(self._stopped)
        except Exception as error:  # noqa: BLE001 - raised again in run(), unless that is over
            self._events.put(error)


def _outcome(processor: Processor, recording: Recording) -> Outcome:
    """Process one recording. Raises only errors that would affect all other recordings as well."""
    try:
        return processor.process(recording)
    except (Unreachable, NotShrutlekh):
        raise
    except ClientError as error:
        if isinstance(error, ApiError) and error.code in HOPELESS_CODES:
            raise
        return Outcome(recording.source, "failed", error=(error.code, error.message))
    except OSError as error:
        message = f"The output cannot be written: {error.strerror or error}."
        return Outcome(recording.source, "failed", error=("output_unwritable", message))
