"""Publish job changes on Redis channels, so that long polls and the courier of webhooks see them at once.

A message is only a hint: all who listen also look periodically, so a lost message delays an answer or a
webhook by a moment and never loses it.
"""

import uuid

import structlog
from redis import Redis
from redis.exceptions import RedisError

CHANNEL = "shrutlekh:changes"
OUTBOX_CHANNEL = "shrutlekh:outbox"

log = structlog.get_logger(__name__)


def announce(redis: Redis, job_id: uuid.UUID, *, webhook: bool = True) -> bool:
    """Publish that the job has changed. Return False, without raising, if Redis is unreachable.

    Args:
        redis: the connection.
        job_id: the job, or a batch.
        webhook: whether the change may have put a webhook into the outbox, or ended a batch.
    """
    try:
        if webhook:
            with redis.pipeline(transaction=False) as pipeline:
                pipeline.publish(CHANNEL, str(job_id))
                pipeline.publish(OUTBOX_CHANNEL, str(job_id))
                pipeline.execute()
        else:
            redis.publish(CHANNEL, str(job_id))
    except (RedisError, OSError) as error:
        log.debug("announcement_lost", job_id=str(job_id), error=type(error).__name__)
        return False
    return True
