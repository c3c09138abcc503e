"""What must hold at the end, whatever happened on the way."""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.jobs.lifecycle import TRANSITIONS, Event
from shared.jobs.tables import JobStatus
from tests.faults.ledger import EventRow, JobRow
from tests.faults.listeners import Heard
from tests.faults.receiver import Received
from tests.faults.supervisor import Exit

Segments = list[dict[str, Any]]

ENDS_OF_ATTEMPTS = (Event.SUCCEEDED, Event.REQUEUED, Event.RELEASED, Event.FAILED, Event.CANCELLED)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold. ``job`` is the one to look at, if it is about one."""

    what: str
    job: uuid.UUID | None = None


@dataclass(slots=True)
class Evidence:
    """What was gathered when all was over.

    Attributes:
        accepted: the jobs that clients were promised, by idempotency key.
        expected: segments of the quiet run, by idempotency key.
        transcripts: segments that the service answers with, None where it has none, by job.
        files: names of all files in the store.
        complaints: answers that clients should not have got.
        unexplained: kinds of log entries that no outage explains, and how many there are.
        left: rows and files that are left after everything was erased.
        heard: what listeners were told, by job.
        received: webhooks that the receiver accepted, by idempotency key.
        trapped: requests of webhooks that went to where they must not.
    """

    jobs: Sequence[JobRow] = ()
    accepted: Mapping[str, uuid.UUID] = field(default_factory=dict)
    expected: Mapping[str, Segments] = field(default_factory=dict)
    transcripts: Mapping[uuid.UUID, Segments | None] = field(default_factory=dict)
    submissions: int = 0
    files: frozenset[str] = frozenset()
    complaints: Sequence[str] = ()
    exits: Sequence[Exit] = ()
    unexplained: Mapping[str, int] = field(default_factory=dict)
    left: Sequence[str] = ()
    heard: Mapping[uuid.UUID, Heard] = field(default_factory=dict)
    received: Mapping[str, Sequence[Received]] = field(default_factory=dict)
    trapped: Sequence[str] = ()


def judge(evidence: Evidence) -> list[Finding]:
    """Everything that does not hold."""
    return [
        *_all_done(evidence),
        *(finding for job in evidence.jobs for finding in _legal(job)),
        *_no_doubles(evidence),
        *_files(evidence),
        *_heard(evidence),
        *_received(evidence),
        *(Finding(f"a client met {complaint}") for complaint in evidence.complaints),
        *(
            Finding(f"{end.name} (process {end.pid}) ended by itself with {end.code}")
            for end in evidence.exits
            if not end.meant
        ),
        *(Finding(f"logged {count} times: {kind}") for kind, count in evidence.unexplained.items()),
        *(Finding(f"left after everything was erased: {what}") for what in evidence.left),
    ]


def _all_done(evidence: Evidence) -> Iterable[Finding]:
    jobs = {job.id: job for job in evidence.jobs}
    if evidence.submissions != len(evidence.accepted):
        yield Finding(f"{len(evidence.accepted)} of {evidence.submissions} submissions were accepted")
    for key, job_id in evidence.accepted.items():
        job = jobs.get(job_id)
        if job is None:
            yield Finding(f"{key} was accepted and is lost", job_id)
        elif job.status != JobStatus.SUCCEEDED:
            yield Finding(f"{key} is {job.status} ({job.error})", job_id)
        elif (found := evidence.transcripts.get(job_id)) != evidence.expected[key]:
            yield Finding(f"{key} has another text: {_difference(evidence.expected[key], found)}", job_id)


def _difference(expected: Segments, found: Segments | None) -> str:
    if found is None:
        return "none at all"
    for position, (one, other) in enumerate(zip(expected, found, strict=False)):
        if one != other:
            return f"segment {position} is {_brief(other)}, not {_brief(one)}, or its words differ"
    return f"{len(found)} segments, not {len(expected)}"


def _brief(segment: dict[str, Any]) -> str:
    return f"{segment['start']} to {segment['end']} {segment['text']!r}"


def _legal(job: JobRow) -> Iterable[Finding]:
    """The audit trail is a path through the life cycle."""
    before: str | None = None
    for number, row in enumerate(job.events):
        if row.source != before:
            yield Finding(f"event {number} ({row.event}) begins in {row.source}, not in {before}", job.id)
        if not _allowed(row, first=number == 0):
            yield Finding(f"event {number}: {row.event} from {row.source} to {row.target}", job.id)
        before = row.target
    if job.status != before:
        yield Finding(f"it is {job.status}, its events say {before}", job.id)
    counts = Counter(row.event for row in job.events)
    if counts[Event.SUCCEEDED] > 1:
        yield Finding(f"it succeeded {counts[Event.SUCCEEDED]} times", job.id)
    if job.events and Event.SUCCEEDED in counts and job.events[-1].event != Event.SUCCEEDED:
        yield Finding("something happened after its success", job.id)
    ended = sum(counts[event] for event in ENDS_OF_ATTEMPTS)
    if job.status != JobStatus.RUNNING and counts[Event.CLAIMED] != ended:
        yield Finding(f"{counts[Event.CLAIMED]} attempts began and {ended} ended", job.id)


def _allowed(row: EventRow, *, first: bool) -> bool:
    if first:
        return (row.event, row.source, row.target) == (Event.SUBMITTED, None, JobStatus.QUEUED)
    try:
        rule = TRANSITIONS[Event(row.event)]
    except (KeyError, ValueError):
        return False
    return row.source in rule.sources and row.target == rule.target


def _no_doubles(evidence: Evidence) -> Iterable[Finding]:
    promised = set(evidence.accepted.values())
    if len(promised) != len(evidence.accepted):
        yield Finding("two submissions became one job")
    for job in evidence.jobs:
        if job.id not in promised:
            yield Finding(f"a job for {job.key} that no client knows of", job.id)
    for key, count in Counter(job.key for job in evidence.jobs).items():
        if count > 1:
            yield Finding(f"{count} jobs for {key}")


def _files(evidence: Evidence) -> Iterable[Finding]:
    wanted = {job.file_key for job in evidence.jobs}
    for name in sorted(evidence.files - wanted):
        yield Finding(f"file {name} belongs to no job")
    for job in evidence.jobs:
        if job.file_key not in evidence.files:
            yield Finding(f"its file {job.file_key} is gone", job.id)


def _heard(evidence: Evidence) -> Iterable[Finding]:
    """Each listener has heard all of its job once, whatever became of its connections."""
    jobs = {job.id: job for job in evidence.jobs}
    for key, job_id in evidence.accepted.items():
        heard = evidence.heard.get(job_id)
        if heard is None or heard.error is not None:
            yield Finding(f"nobody could listen to {key}: {heard and heard.error}", job_id)
            continue
        if heard.ends != [JobStatus.SUCCEEDED]:
            yield Finding(f"a listener was told the ends {heard.ends}", job_id)
        if heard.positions != list(range(len(heard.positions))):
            yield Finding(f"a listener got the segments {heard.positions}", job_id)
        if job_id in jobs and heard.events != [row.event for row in jobs[job_id].events]:
            yield Finding(f"a listener was told {', '.join(heard.events)}", job_id)
        expected = sorted((one["start"], one["text"]) for one in evidence.expected[key])
        if sorted(heard.texts) != expected:
            yield Finding(
                f"a listener got {len(heard.texts)} segments, not {len(expected)}, or others", job_id
            )


def _received(evidence: Evidence) -> Iterable[Finding]:
    """The end of each job was told to its receiver, and to nobody else."""
    for key, job_id in evidence.accepted.items():
        webhooks = evidence.received.get(key, ())
        if not webhooks:
            yield Finding(f"the webhook of {key} was never delivered", job_id)
        for webhook in webhooks:
            if (webhook.job_id, webhook.status) != (str(job_id), JobStatus.SUCCEEDED):
                yield Finding(f"the webhook of {key} told of {webhook.job_id} ({webhook.status})", job_id)
        if len({webhook.webhook_id for webhook in webhooks}) > 1:
            yield Finding(f"the webhook of {key} was sent under several ids", job_id)
    for path in evidence.trapped:
        yield Finding(f"a webhook followed a redirect: {path}")
