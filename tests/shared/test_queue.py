import json
import uuid

import pytest
from redis import Redis

from shared.queue import QUEUE, JobQueue, make_celery
from shared.settings import Settings


def test_a_ring_names_the_job_and_nothing_else(redis_server: str) -> None:
    queue = JobQueue(make_celery(Settings(redis_url=redis_server)))
    job_id = uuid.uuid4()
    with Redis.from_url(redis_server) as redis:
        redis.delete(QUEUE)
        assert queue.ring(job_id)
        (message,) = redis.lrange(QUEUE, 0, -1)
    queue.close()
    content = json.loads(message)
    assert content["headers"]["argsrepr"] == f"['{job_id}']"
    assert content["headers"]["kwargsrepr"] == "{}"


@pytest.mark.parametrize("url", ["unix:///nowhere/redis.sock?db=0", "redis://127.0.0.1:1/0"])
def test_a_redis_that_is_away_is_no_error(url: str) -> None:
    queue = JobQueue(make_celery(Settings(redis_url=url)))
    assert not queue.ring(uuid.uuid4())
    queue.close()


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://h:1/2", "redis://h:1/2"),
        ("unix:///a/b.sock", "redis+socket:///a/b.sock?virtual_host=0"),
        ("unix:///a/b.sock?db=3", "redis+socket:///a/b.sock?virtual_host=3"),
    ],
)
def test_how_celery_spells_the_address(url: str, broker: str) -> None:
    assert make_celery(Settings(redis_url=url)).conf.broker_url == broker
