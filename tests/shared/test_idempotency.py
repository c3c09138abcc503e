"""One job per idempotency key, enforced by the unique index."""

from collections.abc import Callable

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from shared.database import Database
from shared.jobs.idempotency import is_same_request
from shared.jobs.queries import holder_of
from shared.jobs.tables import Job, JobEvent, Priority
from shared.jobs.verbs import submit_once
from tests.shared.conftest import make_job


def unsaved(key: str | None, **columns: object) -> Job:
    return make_job(idempotency_key=key, **columns)


def count(database: Database, table: type) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_keys_that_are_taken_give_their_jobs(database: Database) -> None:
    with database.write() as session:
        (first,) = submit_once(session, unsaved("a"))
    repeated, new, twin, none, other_none = (
        unsaved("a"),
        unsaved("b"),
        unsaved("b"),
        unsaved(None),
        unsaved(None),
    )
    with database.write() as session:
        placed = submit_once(session, repeated, new, twin, none, other_none)
    assert [job.id for job in placed] == [first.id, new.id, new.id, none.id, other_none.id]
    assert count(database, Job) == count(database, JobEvent) == 4
    with database.read() as session:
        holder = holder_of(session, "", "b")
        assert holder is not None
        assert holder.id == new.id
        assert holder_of(session, "", "c") is None


def test_without_looking_the_index_refuses_and_the_same_jobs_can_be_tried_again(
    database: Database, new_job: Callable[..., Job]
) -> None:
    taken = new_job(idempotency_key="a")
    jobs = [unsaved("b"), unsaved("a"), unsaved(None)]
    with pytest.raises(IntegrityError, match="idempotency_key"), database.write() as session:
        submit_once(session, *jobs, look_first=False)
    assert count(database, Job) == count(database, JobEvent) == 1, "all or none"
    with database.write() as session:
        placed = submit_once(session, *jobs)
    assert [job.id for job in placed] == [jobs[0].id, taken.id, jobs[2].id]
    assert count(database, Job) == count(database, JobEvent) == 3


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({}, True),
        ({"file_name": "b.wav"}, True),
        ({"client": "d"}, True),
        ({"file_sha256": "1" * 64}, False),
        ({"model": "n"}, False),
        ({"transcript": False}, False),
        ({"waveform": False}, False),
        ({"priority": Priority.HIGH}, False),
        ({"options": {"channels": "mix"}}, True),
        ({"options": {"channels": "each"}}, False),
        ({"options": {"decoder": "greedy"}}, False),
        ({"options": {"hotwords": ["मसूरी"], "hotword_weight": 6.0}}, False),
    ],
)
def test_what_makes_a_request_the_same(change: dict, is_same: bool) -> None:
    assert is_same_request(unsaved("a"), unsaved("a", **change)) is is_same
