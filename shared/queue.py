"""The doorbell: a Celery message that carries only a job id.

The process that receives it claims the job that SQL ranks first, not necessarily the one named, and goes on
until no job is due. So there need be no more messages than worker processes. A lost message loses no job (the
sweeper rings again), and a surplus message finds nothing to claim.
"""

import uuid

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from shared.presence import WORKERS
from shared.settings import Settings

TRANSCRIBE = "shrutlekh.transcribe"
QUEUE = "shrutlekh"

log = structlog.get_logger(__name__)


def make_celery(settings: Settings) -> Celery:
    """Make the Celery application, configured alike for senders and workers."""
    celery = Celery("shrutlekh", broker=_broker_url(settings.redis_url))
    celery.conf.update(
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
            "socket_connect_timeout": 2,
            "socket_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 25,
            # Sending fails at once while Redis is unreachable, instead of retrying for seconds.
            "max_retries": 1,
            "interval_start": 0,
        },
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        enable_utc=True,
    )
    return celery


def doorbells_wanted(redis: Redis) -> int:
    """Return how many more doorbells are of use: one for each worker process, less those that wait.

    Raises:
        RedisError, OSError: Redis is unreachable.
    """
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.llen(QUEUE)
        pipeline.zcard(WORKERS)
        waiting, workers = pipeline.execute()
    return max(int(workers), 1) - int(waiting)


class JobQueue:
    """The sending end of the queue."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def ring(self, job_id: uuid.UUID) -> bool:
        """Send the doorbell for a job. Return False if Redis is unreachable: the sweeper rings later."""
        try:
            self._celery.send_task(TRANSCRIBE, args=[str(job_id)], retry=False)
        except (OperationalError, RedisError, OSError) as error:
            log.warning("queue_unreachable", job_id=str(job_id), error=type(error).__name__)
            return False
        return True

    def close(self) -> None:
        """Close the connections to Redis."""
        self._celery.close()


def _broker_url(redis_url: str) -> str:
    """Translate redis-py's URL of a Unix socket into Kombu's form."""
    prefix = "unix://"
    if not redis_url.startswith(prefix):
        return redis_url
    path, _, query = redis_url.removeprefix(prefix).partition("?")
    database = next((part[3:] for part in query.split("&") if part.startswith("db=")), "0")
    return f"redis+socket://{path}?virtual_host={database}"
