"""Counts of many jobs by state are reused for a while, others are not."""

import time

import pytest
from sqlalchemy.orm import Session

import api.counts
from api.counts import Counts
from shared.database import Database
from shared.jobs import JobStatus, Selection, counts_by_status
from shared.jobs.verbs import submit
from tests.shared.conftest import make_job

ALL = Selection()


def queued(counts: Counts, database: Database, selection: Selection = ALL) -> int:
    with database.read() as session:
        return counts.of(session, selection)[JobStatus.QUEUED]


def add(database: Database, **columns: object) -> None:
    with database.write() as session:
        submit(session, make_job(**columns))


def test_few_are_counted_anew(database: Database) -> None:
    counts = Counts()
    for number in range(3):
        assert queued(counts, database) == number
        add(database)


def test_many_are_reused_for_a_while(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(session: Session, selection: Selection) -> dict[JobStatus, int]:
        time.sleep(0.2)
        return counts_by_status(session, selection)

    monkeypatch.setattr(api.counts, "MANY", 0)
    monkeypatch.setattr(api.counts, "counts_by_status", slow)
    counts = Counts()
    add(database, tenant="a")
    assert queued(counts, database) == 1
    add(database, tenant="b")
    assert queued(counts, database) == 1
    assert queued(counts, database, Selection(tenant="b")) == 1  # another selection
    later = time.monotonic() + 600
    monkeypatch.setattr(api.counts.time, "monotonic", lambda: later)
    assert queued(counts, database) == 2


def test_what_is_remembered_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.counts, "MANY", -1)
    monkeypatch.setattr(api.counts, "MOST", 3)
    counts = Counts()
    for number in range(10):
        assert queued(counts, database, Selection(tenant=str(number))) == 0
        assert len(counts._found) <= 3
