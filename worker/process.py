"""What one worker process owns, made after the fork and closed with it."""

import os
import socket
import uuid
from dataclasses import dataclass

from redis import Redis

from shared.database import Database
from shared.files import FileStore
from shared.settings import Settings
from speech.waveform import Painter, PeakMeter
from worker.engines import Engines


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """Connections, warm models and the painter of one process. ``name`` is what its leases are held under."""

    name: str
    settings: Settings
    database: Database
    redis: Redis
    files: FileStore
    engines: Engines
    painter: Painter

    @classmethod
    def start(cls, settings: Settings, threads: int) -> "WorkerProcess":
        """Connect, load the default model and warm it.

        Raises:
            ModelNotInstalled, SpeechError: the default model can't be loaded.
        """
        engines = Engines(settings.models_dir, threads)
        engines.get(settings.default_model)
        painter = Painter()
        painter.paint(PeakMeter(sample_rate=16_000).peaks())  # the first picture loads the fonts
        return cls(
            name=f"{socket.gethostname()[:64]}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
            settings=settings,
            database=Database(settings.database, pool_size=2),
            redis=Redis.from_url(settings.redis_url, socket_timeout=2, socket_connect_timeout=2),
            files=FileStore(settings.files_dir),
            engines=engines,
            painter=painter,
        )

    def close(self) -> None:
        """Close the connections."""
        self.database.close()
        self.redis.close()
