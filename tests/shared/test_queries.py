from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from shared.clock import now
from shared.database import Database
from shared.errors import InvalidRequest
from shared.jobs.attempts import claim
from shared.jobs.queries import get_job, page_of_jobs, queue_position
from shared.jobs.selection import Selection
from shared.jobs.statistics import counts_by_status
from shared.jobs.tables import ENDED, Job, JobStatus


def test_pages_are_newest_first_and_miss_nothing(database: Database, new_job: Callable[..., Job]) -> None:
    jobs = [new_job() for _ in range(7)]
    same_moment = now()
    with database.write() as session:  # four of them in one moment: the id decides
        session.execute(
            update(Job).where(Job.id.in_([job.id for job in jobs[:4]])).values(created_at=same_moment)
        )
    seen, cursor = [], None
    while True:
        with database.read() as session:
            page = page_of_jobs(session, Selection(), cursor=cursor, limit=2)
        seen += [(job.created_at, job.id) for job in page.jobs]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == 7
    assert seen == sorted(seen, reverse=True)


def test_pages_of_one_status(database: Database, new_job: Callable[..., Job]) -> None:
    running, _queued = new_job(), new_job()
    with database.write() as session:
        claim(session, "w", timedelta(seconds=9))
    with database.read() as session:
        page = page_of_jobs(session, Selection(statuses=(JobStatus.RUNNING,)), limit=5)
    assert [job.id for job in page.jobs] == [running.id]


@pytest.mark.parametrize("cursor", ["", "nonsense", "MjAyNg", "ल", "====", "MjAyNi0wMS0wMVQwMDowMDowMCB4"])
def test_a_cursor_of_somebody_elses_making_is_refused(database: Database, cursor: str) -> None:
    with database.read() as session, pytest.raises(InvalidRequest):
        page_of_jobs(session, Selection(), cursor=cursor, limit=5)


def test_the_position_counts_who_comes_before(database: Database, new_job: Callable[..., Job]) -> None:
    jobs = [new_job() for _ in range(3)]
    with database.write() as session:
        assert [queue_position(session, job) for job in jobs] == [0, 1, 2]
        claim(session, "w", timedelta(seconds=9))
        assert [queue_position(session, get_job(session, job.id)) for job in jobs] == [None, 0, 1]


def test_counts_by_state_read_only_indexes(database: Database) -> None:
    statement = f"SELECT status, count(*) FROM jobs WHERE {ENDED} GROUP BY status"
    if database.is_sqlite:
        with database.read() as session:
            plan = " ".join(str(row) for row in session.execute(text(f"EXPLAIN QUERY PLAN {statement}")))
        assert "COVERING INDEX ix_jobs_ended" in plan
    with database.read() as session:
        assert counts_by_status(session) == dict.fromkeys(JobStatus, 0)
