"""Word of changes: who changes a job says so on a Redis channel, so that waiting requests look at once.

Only a hint. A waiting request also looks by itself now and then, so a lost message costs a moment, never an
answer.
"""

import uuid

import structlog
from redis import Redis
from redis.exceptions import RedisError

CHANNEL = "shrutlekh:changes"

log = structlog.get_logger(__name__)


def announce(redis: Redis, job_id: uuid.UUID) -> bool:
    """Say that the job has changed. False when Redis is away, which is no error."""
    try:
        redis.publish(CHANNEL, str(job_id))
    except (RedisError, OSError) as error:
        log.debug("announcement_lost", job_id=str(job_id), error=type(error).__name__)
        return False
    return True
