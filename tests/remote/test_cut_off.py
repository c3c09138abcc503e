"""Two workers on two hosts, whose clocks are two minutes apart; one is cut off in the middle of its job."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from shared.jobs import JobStatus, read_segments
from shared.jobs.tables import Job, SegmentRow
from shared.settings import Settings
from tests.remote.hosts import Host
from tests.remote.servers import Authority, Server, pgbouncer, pooled_url, redis_with
from tests.worker.jobs import long_recording
from tests.worker.pool import Service, running, wait_until

ADDRESSES = "127.0.0.1 10.213.0.1 10.213.1.1"
SENTENCES = 1500
SHORT = 3


@pytest.fixture
def redis_of_all(folder: Path, authority: Authority, two_hosts: list[Host]) -> Iterator[Server]:
    del two_hosts  # the addresses are theirs
    with redis_with(folder, password="a/b:c@d", tls=authority, addresses=ADDRESSES) as server:
        yield server


@pytest.fixture
def pooler(folder: Path, authority: Authority, two_hosts: list[Host], postgres_url: str) -> Iterator[Server]:
    del two_hosts
    with pgbouncer(folder, postgres_url, authority, ADDRESSES) as server:
        yield server


def redis_url(server: Server, authority: Authority, host: str = "127.0.0.1") -> str:
    return f"rediss://:a%2Fb%3Ac%40d@{host}:{server.port}/0?ssl_ca_certs={authority.root}"


@pytest.fixture
def service(
    toy_settings: Settings,
    tmp_path: Path,
    authority: Authority,
    postgres_url: str,
    redis_of_all: Server,
    pooler: Server,
) -> Iterator[Service]:
    """The service as this host sees it."""
    settings = toy_settings.model_copy(
        update={
            "database_url": pooled_url(pooler, postgres_url, authority),
            "database_pooler": True,
            "redis_url": redis_url(redis_of_all, authority),
            "max_audio_seconds": 1e6,
        }
    )
    settings.data_dir.mkdir()
    with running(settings, tmp_path) as service:
        yield service


def test_nothing_is_lost_and_nothing_done_twice(
    service: Service,
    two_hosts: list[Host],
    authority: Authority,
    postgres_url: str,
    redis_of_all: Server,
    pooler: Server,
) -> None:
    def there(host: Host) -> dict[str, object]:
        return {
            "database_url": pooled_url(pooler, postgres_url, authority, host.here),
            "redis_url": redis_url(redis_of_all, authority, host.here),
        }

    def is_on(job_id: uuid.UUID, pid: int) -> bool:
        owner = service.job(job_id).lease_owner
        return owner is not None and owner.split(":")[1] == str(pid)

    first, second = two_hosts
    worker = service.start_worker(through=first.through, **there(first))
    (pid,) = service.pool_of(worker)
    content = long_recording(SENTENCES)
    (broken,) = service.submit([content], max_attempts=2)
    wait_until(lambda: is_on(broken, pid) and 0.0 < service.job(broken).progress < 0.9, service.log)
    started = service.job(broken).started_at
    first.cut_off()

    service.start("worker.sweeper", through=second.through, **there(second))
    other = service.start_worker(through=second.through, **there(second))
    whole = service.submit([content], max_attempts=2)[0]
    others = service.submit([long_recording(SHORT)] * 10, max_attempts=2)
    ended = service.wait_for_ends([broken, whole, *others])
    assert {job.status for job in ended} == {JobStatus.SUCCEEDED}
    assert [job.attempt for job in ended] == [2] + [1] * 11  # the clocks took no lease away

    first.reconnect()
    wait_until(lambda: "lease_lost" in service.log_of(worker), service.log)
    for event in ("attempt_failed", "job_failed"):
        assert event not in service.log()
    # It goes on, though it is alone now and its connections were cut.
    other.terminate()
    other.wait(60)
    later = service.submit([long_recording(SHORT)] * 3)
    assert {job.status for job in service.wait_for_ends(later)} == {JobStatus.SUCCEEDED}

    trails = {job_id: [event for event, *_ in service.events(job_id)] for job_id in (broken, whole, *others)}
    assert trails.pop(broken) == ["submitted", "claimed", "requeued", "claimed", "succeeded"]
    assert all(trail == ["submitted", "claimed", "succeeded"] for trail in trails.values())
    assert service.job(broken).started_at != started
    assert texts(service, broken) == texts(service, whole)
    assert len(texts(service, whole)) > 0.9 * SENTENCES
    with service.database.read() as session:
        of_unknown = select(func.count()).where(SegmentRow.job_id.not_in(select(Job.id)))
        assert session.scalar(of_unknown) == 0
        for job in session.scalars(select(Job)):
            assert job.started_at is not None
            assert job.finished_at is not None
            assert job.created_at <= job.started_at < job.finished_at


def texts(service: Service, job_id: uuid.UUID) -> list[tuple[int, float, str]]:
    rows = read_segments(service.database, job_id)
    return [(row.position, row.start_seconds, row.text) for row in rows]
