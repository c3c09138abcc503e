"""Publish job changes on a Redis channel, so that long polls see them at once.

A message is only a hint: long polls also re-read their job periodically, so a lost message delays an answer
by a moment and never loses it.
"""

import uuid

import structlog
from redis import Redis
from redis.exceptions import RedisError

CHANNEL = "shrutlekh:changes"

log = structlog.get_logger(__name__)


def announce(redis: Redis, job_id: uuid.UUID) -> bool:
    """Publish that the job has changed. Return False, without raising, if Redis is unreachable."""
    try:
        redis.publish(CHANNEL, str(job_id))
    except (RedisError, OSError) as error:
        log.debug("announcement_lost", job_id=str(job_id), error=type(error).__name__)
        return False
    return True
