"""``python -m worker.streaming``: run a live worker, configured from the environment."""

import os
import signal
import socket
import sys
import threading
import uuid

from shared.errors import ServiceError
from shared.exiting import exit_fast
from shared.live import WORKERS
from shared.logs import configure_logging
from shared.redis import open_redis, open_redis_without_retries
from shared.settings import Settings
from speech import SpeechError
from worker import exposition
from worker.heartbeat import Heartbeat
from worker.streaming.loop import LiveWorker
from worker.streaming.mailbox import Mailbox


def main() -> None:
    """Take live sessions until SIGTERM or SIGINT. With ``stream_sessions`` 0, wait and take none."""
    exit_fast()
    settings = Settings()
    configure_logging(settings.log_level)
    exposition.serve_or_exit(settings.host, settings.stream_metrics_port)
    stopped = threading.Event()
    redis = open_redis(settings.redis_url)
    # A repeated command could send an event twice.
    worker = LiveWorker(settings, Mailbox(open_redis_without_retries(settings.redis_url)))

    def stop(_number: int, _frame: object) -> None:
        stopped.set()
        worker.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if not settings.stream_sessions:
        stopped.wait()
        return
    name = f"{socket.gethostname()[:64]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    heartbeat = Heartbeat(redis, name, settings.heartbeat_seconds, settings.heartbeat_expiry, WORKERS)
    if settings.stream_warm:
        try:
            worker.warm()
        except (ServiceError, SpeechError) as error:
            sys.exit(f"{error.message} Look at SHRUTLEKH_MODELS_DIR and SHRUTLEKH_DEFAULT_MODEL.")
    heartbeat.start()
    try:
        worker.run()
    finally:
        heartbeat.stop()


if __name__ == "__main__":
    main()
