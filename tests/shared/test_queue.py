import json
import uuid

import pytest
from redis import Redis

from shared.presence import beat
from shared.queue import QUEUE, JobQueue, doorbells_wanted, make_celery, queue_of
from shared.settings import Settings


def test_a_ring_names_the_job_and_nothing_else(redis_server: str) -> None:
    queue = JobQueue(make_celery(Settings(redis_url=redis_server)))
    job_id = uuid.uuid4()
    with Redis.from_url(redis_server) as redis:
        redis.delete(QUEUE, queue_of("large"))
        assert queue.ring(job_id)
        assert queue.ring(job_id, queue_of("large"))
        (message,) = redis.lrange(QUEUE, 0, -1)
        assert redis.llen("shrutlekh.large") == 1
    queue.close()
    content = json.loads(message)
    assert content["headers"]["argsrepr"] == f"['{job_id}']"
    assert content["headers"]["kwargsrepr"] == "{}"


def test_each_worker_that_may_take_a_job_hears_one_doorbell(redis_server: str) -> None:
    queue = JobQueue(make_celery(Settings(redis_url=redis_server)))
    ids = [uuid.uuid4() for _ in range(9)]
    with Redis.from_url(redis_server) as redis:
        redis.flushall()
        beat(redis, "of all", 60)
        beat(redis, "of a and b", 60, models=["a", "b"])
        beat(redis, "of a", 60, models=["a"])
        assert doorbells_wanted(redis, "a") == {QUEUE: 3, queue_of("a"): 2}
        assert doorbells_wanted(redis, "b") == {QUEUE: 3, queue_of("b"): 1}
        assert doorbells_wanted(redis, "c") == {QUEUE: 3}
        assert queue.ring_for(redis, "b", ids)
        assert queue.ring_for(redis, "a", ids[:1])
        waiting = {name: redis.llen(name) for name in (QUEUE, queue_of("a"), queue_of("b"))}
        assert waiting == {QUEUE: 3, queue_of("a"): 1, queue_of("b"): 1}
        redis.flushall()
        assert doorbells_wanted(redis, "a") == {QUEUE: 1}
    queue.close()


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
