"""Clocks of machines that differ by a minute and more: only the database's and Redis' decide."""

import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from redis import Redis
from sqlalchemy import select

import shared.clock
from shared.database import Database
from shared.database_clock import database_now, from_now
from shared.draining import begin, draining_since, end, is_draining
from shared.files import FileStore
from shared.jobs import (
    Measurements,
    claim,
    due_jobs,
    events_of,
    expired_jobs,
    get_job,
    hand_back,
    renew,
    retry,
    succeed,
    take_back,
)
from shared.jobs.tables import Job
from shared.presence import ages, beat, present, present_for
from shared.webhooks import claim_due, hosts_due
from tests.shared.conftest import store_file

LEASE = timedelta(seconds=60)
DONE = Measurements(
    audio_seconds=1.0,
    sample_rate=16_000,
    channels=1,
    speech_seconds=1.0,
    stage_seconds={},
    warnings=(),
)


class Clock:
    """The clock of the machine that runs the test, as far as this project reads it."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)
        self._now, self._time = shared.clock.now, time.time

    def now(self) -> datetime:
        return self._now() + self.ahead

    def time(self) -> float:
        return self._time() + self.ahead.total_seconds()


@pytest.fixture(params=[-3600, -60, 60, 3600], ids=lambda seconds: f"{seconds:+} s")
def wrong_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    clock.ahead = timedelta(seconds=request.param)
    for module in ("shared.webhooks.outbox", "shared.keys", "shared.clock"):
        monkeypatch.setattr(f"{module}.now", clock.now)
    monkeypatch.setattr(time, "time", clock.time)
    return clock


def moment_of(database: Database) -> datetime:
    with database.read() as session:
        return session.execute(select(database_now())).scalar_one()


def test_the_times_of_both_databases(database: Database) -> None:
    before = shared.clock.now() - timedelta(milliseconds=1)
    moment = moment_of(database)
    assert before <= moment <= shared.clock.now()
    with database.read() as session:
        for length in (timedelta(seconds=90.25), timedelta(days=-400), timedelta(0)):
            start, end_of_it = session.execute(select(database_now(), from_now(length))).one()
            assert abs(end_of_it - start - length) <= timedelta(milliseconds=5)


def test_a_job_goes_its_way_by_the_databases_clock(
    database: Database, new_jobs: Callable[..., list[Job]], wrong_clock: Clock, files: FileStore
) -> None:
    del wrong_clock
    (job,) = new_jobs(1, options={"webhook_url": "https://example.org/told"})
    store_file(files, job)
    with database.read() as session:
        assert due_jobs(session, 10) == [job.id]
    with database.write() as session:
        claimed = claim(session, "w", LEASE)
        assert claimed is not None
    with database.read() as session:
        assert expired_jobs(session, 10) == []
    with database.write() as session:
        assert renew(session, job.id, "w", LEASE, 0.5, 0)
    with database.write() as session:
        kept = get_job(session, job.id)
        assert kept.lease_expires_at is not None
        left = kept.lease_expires_at - moment_of(database)
        assert LEASE - timedelta(seconds=10) < left <= LEASE
    with database.write() as session:
        ended = succeed(session, claimed, owner="w", measured=DONE, waveform=None)
    with database.read() as session:
        times = [ended.created_at, ended.started_at, ended.finished_at]
        assert times == sorted(times, key=lambda at: at or datetime.max)
        events = [event.at for event in events_of(session, job.id)]
        assert events == sorted(events)
        assert abs(events[-1] - moment_of(database)) < timedelta(seconds=10)
        assert hosts_due(session, (), 10) == ["example.org"]
    with database.write() as session:
        assert len(claim_due(session, "c", LEASE, {"example.org": 5})) == 1
    with database.read() as session:
        assert hosts_due(session, (), 10) == []


def test_a_lease_runs_out_by_the_databases_clock(
    database: Database, new_jobs: Callable[..., list[Job]], wrong_clock: Clock
) -> None:
    del wrong_clock
    (job,) = new_jobs(1)
    with database.write() as session:
        assert claim(session, "w", timedelta(seconds=0.2)) is not None
    time.sleep(0.25)
    with database.write() as session:
        assert expired_jobs(session, 10) == [job.id]
        back = take_back(session, get_job(session, job.id), code="lease_expired", message="Silent.")
        wait = (back.available_at - moment_of(database)).total_seconds()
        assert 0 < wait <= 1.5


def test_a_pause_and_a_retry(
    database: Database, new_jobs: Callable[..., list[Job]], wrong_clock: Clock, files: FileStore
) -> None:
    del wrong_clock
    (job,) = new_jobs(1, max_attempts=1)
    store_file(files, job)
    with database.write() as session:
        claimed = claim(session, "w", LEASE)
        assert claimed is not None
        hand_back(session, claimed, owner="w", code="worker_error", message="No.")
    with database.write() as session:
        retry(session, files, job.id, 3)
    with database.write() as session:
        again = claim(session, "w", LEASE)
        assert again is not None
        assert again.id == job.id


def test_heartbeats_by_redis_clock(redis_server: str, wrong_clock: Clock) -> None:
    worker, model = f"m:{uuid.uuid4().hex}", uuid.uuid4().hex
    with Redis.from_url(redis_server) as redis:
        redis.flushall()
        clock_of_another_machine = wrong_clock.ahead
        assert beat(redis, worker, 10, models=[model]) == 1
        wrong_clock.ahead = -clock_of_another_machine
        assert beat(redis, "other", 10) == 2
        assert sorted(present(redis, 10)) == sorted([worker, "other"])
        assert present_for(redis, model, 10) == (2, 2)
        assert all(0 <= age < 5 for age in ages(redis).values())
        time.sleep(0.3)
        assert beat(redis, "other", 0.2) == 1


def test_the_drain_is_one_switch_for_all(database: Database, new_jobs: Callable[..., list[Job]]) -> None:
    (job,) = new_jobs(1)
    begin(database)
    with database.write() as session:
        since = draining_since(session)
        assert since is not None
        assert claim(session, "w", LEASE) is None
        assert due_jobs(session, 10) == []
    begin(database)
    with database.read() as session:
        assert draining_since(session) == since
    end(database)
    with database.write() as session:
        assert not is_draining(session)
        claimed = claim(session, "w", LEASE)
        assert claimed is not None
        assert claimed.id == job.id
