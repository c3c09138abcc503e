"""The resources of one worker process, created after the fork and closed at its end."""

import os
import socket
import uuid
from dataclasses import dataclass

from redis import Redis

from shared import connection_budget
from shared.database import Database, open_database
from shared.files import FileStore, open_store
from shared.queue import JobQueue, make_celery
from shared.redis import open_redis
from shared.settings import Settings
from speech.waveform import Painter, PeakMeter
from worker.drain import Drain
from worker.engines import Engines


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """Connections, warm models and the waveform painter of one process. ``name`` identifies its leases."""

    name: str
    settings: Settings
    database: Database
    redis: Redis
    queue: JobQueue
    files: FileStore
    engines: Engines
    painter: Painter
    drain: Drain

    @classmethod
    def start(
        cls, settings: Settings, threads: int, queue: JobQueue | None = None, drain: Drain | None = None
    ) -> "WorkerProcess":
        """Connect; load and warm the default model, or the first one that the worker is pinned to.

        Args:
            settings: the service's settings.
            threads: ONNX Runtime threads.
            queue: the queue to send doorbells to; a new one by default.
            drain: the pool's stop signal; a private one by default, for use without a pool.

        Raises:
            ModelNotInstalled, SpeechError: that model cannot be loaded.
        """
        engines = Engines(
            settings.models_dir,
            threads,
            settings.models_budget,
            settings.device,
            settings.gpu_memory_bytes,
        )
        engines.get(settings.first_model)
        painter = Painter()
        painter.paint(PeakMeter(sample_rate=16_000).peaks())  # warm-up: the first picture loads the fonts
        return cls(
            name=f"{socket.gethostname()[:64]}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
            settings=settings,
            database=open_database(settings, connection_budget.WORKER_PROCESS),
            redis=open_redis(settings.redis_url),
            queue=queue or JobQueue(make_celery(settings)),
            files=open_store(settings),
            engines=engines,
            painter=painter,
            drain=drain or Drain(settings.drain_seconds),
        )

    def close(self) -> None:
        """Close the connections."""
        self.database.close()
        self.redis.close()
        self.queue.close()
        self.files.close()
