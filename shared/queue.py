"""The doorbell: a Celery message that carries nothing but a job's id.

Whoever hears it claims the job that SQL puts first, which need not be the one named. So losing a message
loses no job (the database knows it, the sweeper rings again), and a message too many finds nothing to claim.
"""

import uuid

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared.settings import Settings

TRANSCRIBE = "shrutlekh.transcribe"
QUEUE = "shrutlekh"

log = structlog.get_logger(__name__)


def make_celery(settings: Settings) -> Celery:
    """The Celery application, the same for those who ring and those who answer."""
    celery = Celery("shrutlekh", broker=_broker_url(settings.redis_url))
    celery.conf.update(
        task_default_queue=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        result_backend=None,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker outlasts any outage
        broker_connection_timeout=2,
        task_publish_retry=False,
        broker_transport_options={
            "socket_connect_timeout": 2,
            "socket_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 25,
            # Ringing for a Redis that is away fails at once instead of after seconds of trying.
            "max_retries": 1,
            "interval_start": 0,
        },
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        enable_utc=True,
    )
    return celery


class JobQueue:
    """The sending side of the queue."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def ring(self, job_id: uuid.UUID) -> bool:
        """Tell the workers of a job. False when Redis is away: the sweeper will ring for it later."""
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
    """Kombu spells a Redis on a Unix socket differently from redis-py."""
    prefix = "unix://"
    if not redis_url.startswith(prefix):
        return redis_url
    path, _, query = redis_url.removeprefix(prefix).partition("?")
    database = next((part[3:] for part in query.split("&") if part.startswith("db=")), "0")
    return f"redis+socket://{path}?virtual_host={database}"
