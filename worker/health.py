"""``python -m worker.health``: exit with 0 if a worker process of this host sent a heartbeat recently."""

import socket
import sys

from redis.exceptions import RedisError

from shared.presence import present
from shared.redis import open_redis
from shared.settings import Settings


def main() -> None:
    """Check the heartbeats in Redis, and exit with a message if there is none of this host."""
    settings = Settings()
    redis = open_redis(settings.redis_url)
    own = f"{socket.gethostname()[:64]}:"
    try:
        beating = [name for name in present(redis, settings.heartbeat_expiry) if name.startswith(own)]
    except (RedisError, OSError) as error:
        sys.exit(f"Redis does not answer: {error}")
    if not beating:
        sys.exit("No process of this worker sent a heartbeat recently. It is still warming up, or it hangs.")


if __name__ == "__main__":
    main()
