"""``python -m worker.health``: exit status 0 when a process of this machine's worker has beaten lately."""

import socket
import sys

from redis.exceptions import RedisError

from shared.presence import present
from shared.redis import open_redis
from shared.settings import Settings


def main() -> None:
    """Look at the heartbeats in Redis."""
    settings = Settings()
    redis = open_redis(settings.redis_url)
    own = f"{socket.gethostname()[:64]}:"
    try:
        beating = [name for name in present(redis, settings.heartbeat_expiry) if name.startswith(own)]
    except (RedisError, OSError) as error:
        sys.exit(f"Redis could not be asked: {error}")
    if not beating:
        sys.exit("No process of this worker has beaten lately: it warms up, or it hangs.")


if __name__ == "__main__":
    main()
