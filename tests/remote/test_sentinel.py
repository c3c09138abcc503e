"""Redis behind Sentinels: the master dies, a replica takes over, and the service goes on."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from redis.exceptions import RedisError

from shared.jobs import JobStatus
from shared.presence import ages
from shared.redis import open_async_redis, open_redis, open_redis_without_retries
from shared.settings import Settings
from tests.remote.servers import Server, redis_with, sentinel_of
from tests.worker.jobs import long_recording
from tests.worker.pool import running, wait_until

PASSWORD = "p:w/d@#"
OWN_PASSWORD = "watch"


class Watched(NamedTuple):
    """A master and its Sentinel, and the URL that names both."""

    master: Server
    url: str


@pytest.fixture
def watched(folder: Path) -> Iterator[Watched]:
    with ExitStack() as stack:
        master = stack.enter_context(redis_with(folder, password=PASSWORD))
        replica_of = f"replicaof 127.0.0.1 {master.port}"
        stack.enter_context(redis_with(folder, password=PASSWORD, more=replica_of))
        sentinel = stack.enter_context(sentinel_of(folder, master.port, PASSWORD, OWN_PASSWORD))
        yield Watched(
            master,
            f"redis+sentinel://:p%3Aw%2Fd%40%23@127.0.0.1:1,127.0.0.1:{sentinel.port}/2"
            f"?master=recordings&sentinel_password={OWN_PASSWORD}",
        )


def answers(url: str) -> bool:
    with open_redis_without_retries(url) as redis:
        try:
            return bool(redis.ping())
        except (RedisError, OSError):
            return False


async def answers_also_there(url: str) -> bool:
    async with open_async_redis(url) as redis:
        return bool(await redis.ping()) and redis.connection_pool.connection_kwargs["db"] == 2


def test_a_failover_in_the_middle_of_the_work(
    watched: Watched, toy_settings: Settings, tmp_path: Path, sqlite_url: str
) -> None:
    changes = {"redis_url": watched.url, "database_url": sqlite_url, "heartbeat_seconds": 0.2}
    settings = toy_settings.model_copy(update=changes)
    settings.data_dir.mkdir()
    assert asyncio.run(answers_also_there(watched.url))
    with running(settings, tmp_path) as service:
        service.start("worker.sweeper")
        service.start_worker()
        before = service.submit([long_recording(3)] * 3)
        under_way = service.submit([long_recording(300)], max_attempts=2)
        service.wait_for_ends(before)
        watched.master.stop()
        during = service.submit([long_recording(3)] * 3)
        wait_until(lambda: answers(watched.url), service.log, 30)
        after = service.submit([long_recording(3)] * 3)
        ended = service.wait_for_ends([*before, *under_way, *during, *after])
        assert {job.status for job in ended} == {JobStatus.SUCCEEDED}
        assert {job.attempt for job in ended} == {1}
        with open_redis(watched.url) as redis:
            wait_until(lambda: any(age < 1 for age in ages(redis).values()), service.log)
        assert PASSWORD not in service.log()
        assert OWN_PASSWORD + "@" not in service.log()
