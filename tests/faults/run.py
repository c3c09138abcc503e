"""One run: a service, its clients, the faults, and the evidence that is left at the end."""

import shutil
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from shared.clock import now
from shared.errors import DatabaseUnavailable
from tests.faults import logs, script, submitters
from tests.faults.faults import kill_api_in_upload
from tests.faults.ledger import JobRow
from tests.faults.listeners import Listeners
from tests.faults.receiver import Receiver
from tests.faults.recordings import Recording
from tests.faults.script import Injected, Script
from tests.faults.service import Service, running
from tests.faults.submitters import Submitters
from tests.faults.verdict import Evidence, Finding, judge
from tests.s3_server import s3_server

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 360.0
LOOK_SECONDS = 0.2
LONGER_SECONDS = 4.0  # so long does work come after the last fault has begun
TELLING_SECONDS = 45.0  # a second try at a webhook comes after five seconds, a third after thirty
MENDING_SECONDS = 20.0  # beyond the age at which a file without a job is an orphan


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run."""

    seed: int
    database: str
    jobs: int
    short: bool
    disk: Path | None
    recordings: Sequence[Recording]
    files: str = "folder"

    @property
    def folder(self) -> Path:
        """Where the logs stay."""
        place = "" if self.files == "folder" else f"-{self.files}"
        return ROOT / ".work" / "faults" / f"{self.seed}-{self.database}{place}"


@dataclass(slots=True)
class Progress:
    """How far a run is."""

    accepted: int
    succeeded: int
    jobs: int
    injected: int
    faults: int


@dataclass(slots=True)
class Result:
    """What came out."""

    plan: Plan
    findings: list[Finding]
    injected: list[Injected]
    jobs: list[JobRow]
    answers: Counter[str]
    log_kinds: Counter[str]
    seconds: float
    mending_seconds: float
    telling_seconds: float
    webhook_tries: int
    tries: int
    notes: list[str] = field(default_factory=list)


def run(plan: Plan, tell: Callable[[Progress], None]) -> Result:
    """Run it, and judge."""
    shutil.rmtree(plan.folder, ignore_errors=True)
    plan.folder.mkdir(parents=True)
    # Not below the project: the path of a Unix socket has at most 107 bytes, and Postgres is another user.
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    workers = 2 if plan.short else 3
    receiver = Receiver(plan.seed)
    try:
        with ExitStack() as stack:
            bucket = stack.enter_context(s3_server()) if plan.files == "s3" else None
            service = stack.enter_context(
                running(plan.database, folder, plan.folder, plan.disk, workers, receiver.allowed, bucket)
            )
            receiver.secret = httpx.get(f"{service.url}/v1/webhooks/secret").json()["secret"]
            return _play(plan, service, receiver, tell)
    finally:
        receiver.close()
        shutil.rmtree(folder, ignore_errors=True)
        if plan.disk is not None:
            shutil.rmtree(plan.disk / "data", ignore_errors=True)


def _play(plan: Plan, service: Service, receiver: Receiver, tell: Callable[[Progress], None]) -> Result:
    began = time.monotonic()
    faults = script.plan(
        plan.seed, plan.database, short=plan.short, disk=plan.disk is not None, files=plan.files
    )
    # Work comes as long as faults do, so that each is met with something to do, and recovered from by it.
    duration = script.seconds(faults) + LONGER_SECONDS
    slow = sum(one.fault.inject is kill_api_in_upload for one in faults)
    submissions = submitters.plan(plan.seed, plan.recordings, plan.jobs, duration, slow)
    listeners = Listeners(service.url)
    listeners.start()
    clients = Submitters(service.url, submissions, receiver.url_for, listeners.follow)
    breaker = Script(faults, service, clients)
    clients.start()
    breaker.start()
    succeeded = 0
    while time.monotonic() - began < LIMIT_SECONDS:
        counts = service.ledger.counts()
        succeeded = counts["succeeded"] if counts else succeeded
        tell(Progress(clients.accepted, succeeded, plan.jobs, breaker.done, len(faults)))
        unfinished = counts["queued"] + counts["running"]
        if clients.complaints:
            break  # a client has given up: it cannot become well any more
        if not breaker.is_alive() and clients.accepted == plan.jobs and counts and not unfinished:
            break
        time.sleep(LOOK_SECONDS)
    seconds = time.monotonic() - began
    mending = _until_mended(service)
    telling = _until_told(receiver, listeners, clients)
    clients.stop()
    evidence = _evidence(service, clients)
    listeners.stop()
    evidence.heard = {uuid.UUID(job_id): heard for job_id, heard in listeners.heard.items()}
    evidence.received = receiver.received
    evidence.trapped = receiver.trapped
    jobs = list(evidence.jobs)
    evidence.left = _erase(service, jobs)
    service.stop()
    evidence.exits = tuple(service.supervisor.exits)
    kinds, unexplained = logs.count(plan.folder)
    evidence.unexplained = unexplained
    findings = judge(evidence)
    lost, killed = logs.lost_processes(kinds), sum(one.fault.kills_pool_process for one in breaker.injected)
    if lost > killed:
        findings.append(Finding(f"{lost} pool processes died, and {killed} at most were killed"))
    findings += [
        Finding(f"the harness could not inject {one.fault.name}: {one.error!r}")
        for one in breaker.injected
        if one.error is not None
    ]
    tries = sum(submission.tries for submission in submissions)
    return Result(
        plan,
        findings,
        breaker.injected,
        jobs,
        clients.answers,
        kinds,
        seconds,
        mending_seconds=mending,
        telling_seconds=telling,
        webhook_tries=receiver.tries,
        tries=tries,
    )


def _until_mended(service: Service) -> float:
    """Seconds until the store holds exactly the files of the jobs, or until patience ends."""
    began = time.monotonic()
    patience = service.settings.orphan_seconds + MENDING_SECONDS
    while (waited := time.monotonic() - began) < patience and service.files() != service.ledger.file_keys():
        time.sleep(LOOK_SECONDS)
    return waited


def _until_told(receiver: Receiver, listeners: Listeners, clients: Submitters) -> float:
    """Seconds until all webhooks are delivered and all listeners have heard the end, or patience ends."""
    began = time.monotonic()
    while (waited := time.monotonic() - began) < TELLING_SECONDS and (
        len(receiver.received) < clients.accepted or listeners.listening
    ):
        time.sleep(LOOK_SECONDS)
    return waited


def _evidence(service: Service, clients: Submitters) -> Evidence:
    jobs: list[JobRow] = []
    deadline = now().timestamp() + 30
    while True:
        try:
            jobs = service.ledger.jobs()
            break
        except DatabaseUnavailable:
            if now().timestamp() > deadline:
                raise
            time.sleep(LOOK_SECONDS)
    promised = [submission for submission in clients.submissions if submission.job_id is not None]
    accepted = {submission.key: uuid.UUID(submission.job_id) for submission in promised}
    complaints = list(clients.complaints)
    with httpx.Client(base_url=service.url, timeout=30) as http:
        transcripts = {job.id: _transcript(http, job, complaints) for job in jobs}
    complaints += [
        f"job {job_id} that was {status} and is not any more"
        for job_id, status in clients.final.items()
        if status not in {job.status for job in jobs if str(job.id) == job_id}
    ]
    return Evidence(
        jobs=jobs,
        accepted=accepted,
        expected={submission.key: submission.recording.segments for submission in promised},
        transcripts=transcripts,
        submissions=len(clients.submissions),
        files=frozenset(service.files()),
        complaints=complaints,
    )


def _transcript(http: httpx.Client, job: JobRow, complaints: list[str]) -> list[dict[str, Any]] | None:
    if job.status != "succeeded":
        return None
    response = http.get(f"/v1/jobs/{job.id}/transcript", params={"format": "json"})
    if response.status_code != 200:
        complaints.append(f"transcript of {job.id}: {response.status_code} {response.text}")
        return None
    return list(response.json()["segments"])


def _erase(service: Service, jobs: Sequence[JobRow]) -> list[str]:
    """DELETE everything; what is left then."""
    left = []
    with httpx.Client(base_url=service.url, timeout=30) as http:
        for job in jobs:
            response = http.delete(f"/v1/jobs/{job.id}")
            if response.status_code != 204:
                left.append(f"job {job.id}: {response.status_code} {response.text}")
    left += [f"file {name}" for name in sorted(service.files())]
    if rows := service.ledger.rows():
        left.append(f"{rows} rows")
    return left
