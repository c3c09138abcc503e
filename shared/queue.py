"""The doorbell: a Celery message that carries only a job id.

The process that receives it claims the job that SQL ranks first, not necessarily the one named, and goes on
until no job is due. So there need be no more messages than worker processes. A lost message loses no job (the
sweeper rings again), and a surplus message finds nothing to claim.

Workers that take jobs of any model listen to QUEUE. Those that are pinned to models listen to a queue for
each of these. A job is rung for in QUEUE, and in the queue of its model if workers are pinned to it.
"""

import ssl
import uuid
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from shared.presence import WORKERS, pinned_to
from shared.redis_address import sentinels_of
from shared.settings import Settings

TRANSCRIBE = "shrutlekh.transcribe"
QUEUE = "shrutlekh"
TIMEOUTS: Final = {"socket_connect_timeout": 2, "socket_timeout": 5}

log = structlog.get_logger(__name__)


def make_celery(settings: Settings) -> Celery:
    """Make the Celery application, configured alike for senders and workers."""
    celery = Celery("shrutlekh")
    broker = _broker(settings.redis_url)
    celery.conf.update(
        broker_url=broker.url,
        broker_use_ssl=broker.tls,
        task_default_queue=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        result_backend=None,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # workers survive an outage of any length
        broker_connection_timeout=2,
        task_publish_retry=False,
        broker_transport_options={
            **TIMEOUTS,
            "socket_keepalive": True,
            "health_check_interval": 25,
            # Sending fails at once while Redis is unreachable, instead of retrying for seconds.
            "max_retries": 1,
            "interval_start": 0,
            **broker.options,
        },
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        enable_utc=True,
    )
    return celery


def queue_of(model: str) -> str:
    """Return the queue of the workers that are pinned to a model."""
    return f"{QUEUE}.{model}"


def doorbells_wanted(redis: Redis, model: str) -> dict[str, int]:
    """Return how many more doorbells are of use for jobs of a model, by queue.

    That is one for each worker process, less those that wait. Queues that need none are left out.

    Raises:
        RedisError, OSError: Redis is unreachable.
    """
    pinned_queue = queue_of(model)
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.llen(QUEUE)
        pipeline.zcard(WORKERS)
        pipeline.llen(pinned_queue)
        pipeline.zcard(pinned_to(model))
        waiting, workers, waiting_for_pinned, pinned = map(int, pipeline.execute())
    wanted = {QUEUE: max(workers, 1) - waiting, pinned_queue: pinned - waiting_for_pinned}
    return {queue: number for queue, number in wanted.items() if number > 0}


class JobQueue:
    """The sending end of the queue."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def ring_for(self, redis: Redis, model: str, job_ids: Sequence[uuid.UUID]) -> bool:
        """Send as many doorbells as are of use for jobs of a model. Return False if Redis is unreachable."""
        try:
            wanted = doorbells_wanted(redis, model)
        except (RedisError, OSError) as error:
            log.warning("queue_unreachable", jobs=len(job_ids), error=type(error).__name__)
            return False
        return all(self.ring(job_id, name) for name, most in wanted.items() for job_id in job_ids[:most])

    def ring(self, job_id: uuid.UUID, queue: str = QUEUE) -> bool:
        """Send the doorbell for a job. Return False if Redis is unreachable: the sweeper rings later."""
        try:
            self._celery.send_task(TRANSCRIBE, args=[str(job_id)], queue=queue, retry=False)
        except (OperationalError, RedisError, OSError) as error:
            log.warning("queue_unreachable", job_id=str(job_id), error=type(error).__name__)
            return False
        return True

    def close(self) -> None:
        """Close the connections to Redis."""
        self._celery.close()


class _Broker(NamedTuple):
    """Redis as Kombu wants it written."""

    url: str
    tls: dict[str, Any] | None = None
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed


def _broker(redis_url: str) -> _Broker:
    """Translate redis-py's URL, or that of Sentinels."""
    behind = sentinels_of(redis_url)
    if behind is not None:
        options = {"master_name": behind.master, "sentinel_kwargs": {**TIMEOUTS, **behind.own}}
        tls = {"ssl_cert_reqs": ssl.CERT_REQUIRED, **behind.tls} if behind.has_tls else None
        return _Broker(behind.broker_url, tls, options)
    prefix = "unix://"
    if not redis_url.startswith(prefix):
        return _Broker(redis_url)
    path, _, query = redis_url.removeprefix(prefix).partition("?")
    database = next((part[3:] for part in query.split("&") if part.startswith("db=")), "0")
    return _Broker(f"redis+socket://{path}?virtual_host={database}")
