"""The heartbeat thread: reports every few seconds that this process is alive and its model is warm."""

import threading
from collections.abc import Sequence
from contextlib import suppress

from redis import Redis
from redis.exceptions import RedisError

from shared.presence import WORKERS, beat, leave


class Heartbeat:
    """Sends heartbeats from :meth:`start` to :meth:`stop`. Skips them while Redis is unreachable.

    Attributes:
        workers: how many workers of the role there were at the last heartbeat, with this one.
    """

    def __init__(
        self,
        redis: Redis,
        worker: str,
        seconds: float,
        expiry: float,
        role: str = WORKERS,
        models: Sequence[str] = (),
    ) -> None:
        self._redis = redis
        self._worker = worker
        self._seconds = seconds
        self._expiry = expiry
        self._role = role
        self._models = models
        self.workers = 1
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Start sending heartbeats."""
        self._thread.start()

    def stop(self) -> None:
        """Stop sending heartbeats and remove the worker from Redis."""
        self._stopped.set()
        self._thread.join(timeout=5)
        with suppress(RedisError, OSError):  # the last heartbeat expires anyway
            leave(self._redis, self._worker, self._role, self._models)

    def _run(self) -> None:
        while not self._stopped.is_set():
            with suppress(RedisError, OSError, MemoryError):  # the job frees the memory when it fails
                self.workers = beat(self._redis, self._worker, self._expiry, self._role, self._models)
            self._stopped.wait(self._seconds)
