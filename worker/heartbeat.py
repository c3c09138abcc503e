"""A thread that says every few seconds that this process is alive and its model warm."""

import threading
from contextlib import suppress

from redis import Redis
from redis.exceptions import RedisError

from shared.presence import beat, leave


class Heartbeat:
    """Beats from :meth:`start` to :meth:`stop`. A Redis that is away is tried again at the next beat."""

    def __init__(self, redis: Redis, worker: str, seconds: float, expiry: float) -> None:
        self._redis = redis
        self._worker = worker
        self._seconds = seconds
        self._expiry = expiry
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more, and say so."""
        self._stopped.set()
        self._thread.join(timeout=5)
        with suppress(RedisError, OSError):  # the last beat expires by itself
            leave(self._redis, self._worker)

    def _run(self) -> None:
        while not self._stopped.is_set():
            with suppress(RedisError, OSError, MemoryError):  # the job that eats it will end, not this thread
                beat(self._redis, self._worker, self._expiry)
            self._stopped.wait(self._seconds)
