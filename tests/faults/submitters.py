"""Clients that give a recording until it is accepted, then wait for its end; and what they were answered."""

import queue
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.faults.recordings import Recording

SENDERS = 6
WATCHERS = 2
PATIENCE = 4.0  # seconds for an answer: a client that gives up and sends again is a fault, too
LONGEST_PAUSE = 1.0
RETRYABLE = frozenset({429, 503, 507})
AGAIN = 0.15  # of all clients forget that they were answered, and submit once more
BLOCKS = 24


@dataclass(slots=True)
class Slow:
    """An upload that takes its time; ``half`` is set when half of it is under way."""

    half: threading.Event = field(default_factory=threading.Event)
    seconds: float = 2.0


@dataclass(slots=True)
class Submission:
    """A recording to submit ``at`` seconds after the start, under its own idempotency key."""

    key: str
    recording: Recording
    at: float
    again: bool
    slow: Slow | None = None
    job_id: str | None = None
    tries: int = 0


def plan(
    seed: int, recordings: Sequence[Recording], jobs: int, seconds: float, slow: int
) -> list[Submission]:
    """``jobs`` submissions, spread over ``seconds`` in little bursts; ``slow`` wait to be asked for."""
    rng = random.Random(f"submissions {seed}")
    chosen = [recordings[number % len(recordings)] for number in range(jobs)]
    rng.shuffle(chosen)
    times = sorted(round(rng.uniform(0, seconds), 1) // 0.5 * 0.5 for _ in chosen)
    submissions = [
        Submission(f"{seed}-{number:04d}", recording, at, rng.random() < AGAIN)
        for number, (recording, at) in enumerate(zip(chosen, times, strict=True))
    ]
    # Long ones: of these half does not fit into the memory that an upload may take, and lies on the disk.
    for submission in sorted(submissions, key=lambda one: -one.recording.seconds)[:slow]:
        submission.slow = Slow()
    return submissions


class Submitters:
    """Threads that submit a plan, threads that poll, and notes of all answers."""

    def __init__(
        self,
        url: str,
        submissions: Sequence[Submission],
        webhook_url: Callable[[str], str],
        on_accepted: Callable[[str], None],
    ) -> None:
        """``webhook_url`` gives the URL for an idempotency key; ``on_accepted`` gets the id of each job."""
        self.submissions = submissions
        self.answers: Counter[str] = Counter()
        self.complaints: list[str] = []
        self.final: dict[str, str] = {}
        self._url = url
        self._webhook_url = webhook_url
        self._on_accepted = on_accepted
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[Submission] = queue.SimpleQueue()
        self._slow = deque(submission for submission in submissions if submission.slow is not None)
        self._to_poll: deque[str] = deque()
        self._stopped = threading.Event()
        self._began = 0.0
        self._threads = [
            *(threading.Thread(target=self._submit_all, name="sender", daemon=True) for _ in range(SENDERS)),
            *(threading.Thread(target=self._poll_all, name="watcher", daemon=True) for _ in range(WATCHERS)),
        ]

    def start(self) -> None:
        """Begin."""
        for submission in self.submissions:
            if submission.slow is None:
                self._waiting.put(submission)
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    @property
    def accepted(self) -> int:
        """Number of submissions that got their 202."""
        return sum(submission.job_id is not None for submission in self.submissions)

    def upload_slowly(self) -> Slow:
        """Begin with one of the slow uploads; only its first try is slow."""
        submission = self._slow.popleft()
        assert submission.slow is not None
        thread = threading.Thread(target=self._submit_slowly, args=(submission,), daemon=True)
        thread.start()
        self._threads.append(thread)
        return submission.slow

    def stop(self) -> None:
        """Stop polling, and submitting."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(PATIENCE + 30)

    def _submit_all(self) -> None:
        with httpx.Client(base_url=self._url, timeout=PATIENCE) as http:
            while not self._stopped.is_set():
                try:
                    submission = self._waiting.get_nowait()
                except queue.Empty:
                    return
                if self._stopped.wait(max(0.0, self._began + submission.at - time.monotonic())):
                    return
                self._submit(http, submission)

    def _submit_slowly(self, submission: Submission) -> None:
        with httpx.Client(base_url=self._url, timeout=PATIENCE) as http:
            self._submit(http, submission)

    def _submit(self, http: httpx.Client, submission: Submission) -> None:
        while not self._stopped.is_set():
            submission.tries += 1
            pause = min(LONGEST_PAUSE, 0.1 * 2 ** min(submission.tries, 5))
            try:
                response = self._send(http, submission)
            except httpx.TransportError as error:
                self._note("POST", type(error).__name__)
            else:
                self._note("POST", response.status_code)
                if response.status_code == 202:
                    if self._accept(submission, response.json()["id"]):
                        return
                    continue
                if response.status_code not in RETRYABLE:
                    self._complain(f"{submission.key}: {response.status_code} {response.text}")
                    return
                pause = min(LONGEST_PAUSE, float(response.headers.get("Retry-After", pause)))
            self._stopped.wait(pause)

    def _accept(self, submission: Submission, job_id: str) -> bool:
        """True when the client is through with this."""
        if submission.job_id is None:
            submission.job_id = job_id
            self._to_poll.append(job_id)
            self._on_accepted(job_id)
        elif submission.job_id != job_id:
            self._complain(f"{submission.key} became job {submission.job_id} and job {job_id}")
        again, submission.again = submission.again, False
        return not again

    def _send(self, http: httpx.Client, submission: Submission) -> httpx.Response:
        headers = {"Idempotency-Key": submission.key}
        path = submission.recording.path
        slow = submission.slow
        if slow is None or slow.half.is_set():
            with path.open("rb") as file:
                form = {"webhook_url": self._webhook_url(submission.key)}
                return http.post("/v1/jobs", headers=headers, data=form, files={"file": (path.name, file)})
        headers["Content-Type"] = "multipart/form-data; boundary=slow"
        timeout = slow.seconds + PATIENCE
        body = _slowly(path, slow, self._webhook_url(submission.key))
        return http.post("/v1/jobs", headers=headers, content=body, timeout=timeout)

    def _poll_all(self) -> None:
        with httpx.Client(base_url=self._url, timeout=PATIENCE + 2) as http:
            while not self._stopped.is_set():
                try:
                    job_id = self._to_poll.popleft()
                except IndexError:
                    self._stopped.wait(0.05)
                    continue
                if not self._poll(http, job_id):
                    self._to_poll.append(job_id)

    def _poll(self, http: httpx.Client, job_id: str) -> bool:
        try:
            response = http.get(f"/v1/jobs/{job_id}", params={"wait": 2})
        except httpx.TransportError as error:
            self._note("GET", type(error).__name__)
            self._stopped.wait(0.2)
            return False
        self._note("GET", response.status_code)
        if response.status_code == 503:
            self._stopped.wait(0.2)
            return False
        if response.status_code != 200:
            self._complain(f"poll of {job_id}: {response.status_code} {response.text}")
            return True
        status = response.json()["status"]
        if status in ("succeeded", "failed", "cancelled"):
            self.final[job_id] = status
            return True
        return False

    def _note(self, method: str, answer: int | str) -> None:
        with self._lock:
            self.answers[f"{method} {answer}"] += 1

    def _complain(self, text: str) -> None:
        with self._lock:
            self.complaints.append(text)


def _slowly(path: Path, slow: Slow, webhook_url: str) -> Iterator[bytes]:
    content = path.read_bytes()
    size = len(content) // BLOCKS + 1
    yield f'--slow\r\nContent-Disposition: form-data; name="webhook_url"\r\n\r\n{webhook_url}\r\n'.encode()
    head = f'--slow\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n\r\n'
    yield head.encode()
    for number in range(BLOCKS):
        yield content[number * size : (number + 1) * size]
        time.sleep(slow.seconds / BLOCKS)
        if number == BLOCKS // 2:
            slow.half.set()
    yield b"\r\n--slow--\r\n"
