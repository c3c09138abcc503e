"""The verdict finds what it is there to find."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.jobs.lifecycle import Event
from shared.jobs.tables import JobStatus
from tests.faults import logs
from tests.faults.ledger import EventRow, JobRow
from tests.faults.listeners import Heard
from tests.faults.receiver import Received
from tests.faults.supervisor import Exit
from tests.faults.verdict import Evidence, judge

JOB = uuid.UUID(int=1)
SEGMENTS = [{"start": 0.5, "end": 1.0, "text": "नमस्ते", "confidence": 0.9, "words": []}]
SUBMITTED = (Event.SUBMITTED, None, JobStatus.QUEUED)
CLAIMED = (Event.CLAIMED, JobStatus.QUEUED, JobStatus.RUNNING)
REQUEUED = (Event.REQUEUED, JobStatus.RUNNING, JobStatus.QUEUED)
RELEASED = (Event.RELEASED, JobStatus.RUNNING, JobStatus.QUEUED)
SUCCEEDED = (Event.SUCCEEDED, JobStatus.RUNNING, JobStatus.SUCCEEDED)
WELL = (SUBMITTED, CLAIMED, REQUEUED, CLAIMED, RELEASED, CLAIMED, SUCCEEDED)


def job(*events: tuple[Event, JobStatus | None, JobStatus], status: str = "succeeded") -> JobRow:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    rows = tuple(
        EventRow(began + timedelta(seconds=second), event.value, source, target.value, 1, None)
        for second, (event, source, target) in enumerate(events)
    )
    return JobRow(JOB, status, "key", "file", None, rows)


def evidence(row: JobRow | None = None) -> Evidence:
    return Evidence(
        jobs=[row or job(*WELL)],
        accepted={"key": JOB},
        expected={"key": SEGMENTS},
        transcripts={JOB: SEGMENTS},
        submissions=1,
        files=frozenset({"file"}),
        exits=[Exit("api", 1, -9, meant=True)],
        heard={JOB: Heard([0], [(0.5, "नमस्ते")], [event.value for event, *_ in WELL], ["succeeded"])},
        received={"key": [Received("key", str(JOB), "succeeded", "msg_1")] * 2},
    )


def findings(given: Evidence) -> str:
    return "\n".join(finding.what for finding in judge(given))


def test_all_well() -> None:
    assert judge(evidence()) == []


@pytest.mark.parametrize(
    ("events", "finding"),
    [
        ((CLAIMED, SUCCEEDED), "begins in queued, not in None"),
        ((SUBMITTED, SUCCEEDED), "begins in running, not in queued"),
        ((SUBMITTED, CLAIMED, (Event.SUCCEEDED, JobStatus.RUNNING, JobStatus.FAILED)), "to failed"),
        ((SUBMITTED, SUBMITTED, CLAIMED, SUCCEEDED), "event 1"),
        ((*WELL, SUCCEEDED), "it succeeded 2 times"),
        ((*WELL, (Event.FAILED, JobStatus.RUNNING, JobStatus.FAILED)), "after its success"),
        ((SUBMITTED, CLAIMED, CLAIMED, SUCCEEDED), "2 attempts began and 1 ended"),
        ((SUBMITTED, CLAIMED), "its events say running"),
    ],
)
def test_an_illegal_path(events: tuple[tuple[Event, JobStatus | None, JobStatus], ...], finding: str) -> None:
    assert finding in findings(evidence(job(*events)))


def test_a_lost_job() -> None:
    given = evidence()
    given.jobs = []
    assert "key was accepted and is lost" in findings(given)


def test_a_job_that_did_not_succeed() -> None:
    failed = (SUBMITTED, CLAIMED, (Event.FAILED, JobStatus.RUNNING, JobStatus.FAILED))
    assert "key is failed" in findings(evidence(job(*failed, status="failed")))


def test_a_job_too_many() -> None:
    given = evidence()
    given.jobs = [*given.jobs, replace(job(*WELL), id=uuid.UUID(int=2))]
    assert "that no client knows of" in findings(given)
    assert "2 jobs for key" in findings(given)


def test_a_submission_that_was_never_accepted() -> None:
    given = evidence()
    given.submissions = 2
    assert "1 of 2 submissions" in findings(given)


def test_another_text() -> None:
    given = evidence()
    given.transcripts = {JOB: [{**SEGMENTS[0], "text": "नमस्कार"}]}
    assert "segment 0 is" in findings(given)
    given.transcripts = {JOB: SEGMENTS * 2}
    assert "2 segments, not 1" in findings(given)


def test_a_file_too_many_and_one_too_few() -> None:
    given = evidence()
    given.files = frozenset({"other.part"})
    assert "other.part belongs to no job" in findings(given)
    assert "its file file is gone" in findings(given)


def test_a_listener_that_missed_or_got_again() -> None:
    for positions, ends, finding in (
        ([0, 0], ["succeeded"], "got the segments [0, 0]"),
        ([1], ["succeeded"], "got the segments [1]"),
        ([0], ["succeeded"] * 2, "told the ends"),
        ([0], [], "told the ends"),
    ):
        given = evidence()
        given.heard = {JOB: replace(given.heard[JOB], positions=positions, ends=ends)}
        assert finding in findings(given)
    given.heard = {JOB: Heard(error="No.")}
    assert "nobody could listen" in findings(given)
    given.heard = {JOB: Heard([0], [(0.5, "नमस्कार")], [], ["succeeded"])}
    assert "or others" in findings(given)


def test_a_webhook_that_is_lost_false_or_astray() -> None:
    given = evidence()
    given.received = {}
    assert "never delivered" in findings(given)
    given.received = {"key": [Received("key", None, None, "msg_1")]}
    assert "told of None" in findings(given)
    given.received = {"key": [Received("key", str(JOB), "succeeded", f"msg_{n}") for n in (1, 2)]}
    assert "several ids" in findings(given)
    given.trapped = ["/key"]
    assert "followed a redirect" in findings(given)


def test_a_process_that_ended_by_itself() -> None:
    given = evidence()
    given.exits = [Exit("worker-1", 5, 1, meant=False)]
    assert "worker-1 (process 5) ended by itself with 1" in findings(given)


def test_a_log_entry_that_no_outage_explains(tmp_path: Path) -> None:
    lines = [
        '{"event": "sweep_failed", "level": "warning", "code": "database_unavailable"}',
        '{"event": "unexpected_error", "level": "error", "exception": "Traceback ...\\nKeyError: 3"}',
        '{"event": "raised", "level": "error", "exception": "T\\nredis.exceptions.ConnectionError: gone"}',
        "Traceback (most recent call last):",
        '  File "a.py", line 1, in <module>',
        "ValueError: nobody foresaw it",
    ]
    (tmp_path / "api.log").write_text("\n".join(lines), encoding="utf-8")
    kinds, unexplained = logs.count(tmp_path)
    assert sum(kinds.values()) == 4
    assert set(unexplained) == {
        "api: unexpected_error / KeyError: #",
        "api: traceback / ValueError: nobody foresaw it",
    }
    given = evidence()
    given.unexplained = unexplained
    assert "logged 1 times: api: unexpected_error / KeyError: #" in findings(given)
