"""The Celery application of a worker, with the hooks for the start and stop of its processes."""

import logging
import multiprocessing
import os
import signal
import time
import uuid
from contextlib import suppress
from typing import Any

import structlog
from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown, worker_shutting_down

from shared.errors import DatabaseUnavailable
from shared.jobs import due_jobs
from shared.logs import configure_logging
from shared.machine import Share
from shared.queue import QUEUE, TRANSCRIBE, JobQueue, make_celery, queue_of
from shared.settings import Settings
from shared.traces import configure_traces, stop_traces
from worker.ceiling import limit_memory
from worker.drain import Drain
from worker.heartbeat import Heartbeat
from worker.metrics import WARM_UP_SECONDS
from worker.process import WorkerProcess
from worker.transcribe import WornOut, answer
from worker.wakeup import WakeUp

LONGEST_WARM_UP_SECONDS = 120.0

log = structlog.get_logger(__name__)


class Worker:
    """Celery's prefork pool around :func:`worker.transcribe.answer`.

    The parent process loads no model and opens no database connection. Each pool process does so after the
    fork.
    """

    def __init__(self, settings: Settings, share: Share) -> None:
        self.settings = settings
        self.share = share
        self._process: WorkerProcess | None = None
        self._heartbeat: Heartbeat | None = None
        self._start_failed = multiprocessing.Event()
        self._drain = Drain(settings.drain_seconds)
        self.celery: Celery = make_celery(settings)
        self.celery.conf.update(
            worker_concurrency=share.processes,
            worker_proc_alive_timeout=LONGEST_WARM_UP_SECONDS,
            worker_disable_rate_limits=True,
            worker_redirect_stdouts=False,  # redirection would swallow the log of the pool processes
        )
        self._queues = [*map(queue_of, settings.worker_models)] or [QUEUE]
        self.celery.task(name=TRANSCRIBE)(self.on_doorbell)
        self._wake_up = WakeUp(self.celery)
        for logger in ("celery.worker.strategy", "celery.app.trace"):  # they log a line per doorbell
            logging.getLogger(logger).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
        worker_process_init.connect(self.on_process_start, weak=False)
        worker_process_shutdown.connect(self.on_process_stop, weak=False)
        worker_shutting_down.connect(self.on_shutting_down, weak=False)

    def run(self) -> bool:
        """Run until SIGTERM or SIGQUIT.

        After SIGTERM the processes continue their jobs for ``drain_seconds`` and then hand them back. SIGQUIT
        abandons the jobs, and their leases expire.

        Returns:
            False if the worker stopped because a process could not start.
        """
        self.celery.worker_main(
            [
                "--quiet",  # keeps the banner out of the log
                "worker",
                "--pool=prefork",
                "--without-gossip",
                "--without-mingle",
                "--without-heartbeat",
                f"--loglevel={self.settings.log_level}",
                f"--queues={','.join(self._queues)}",
            ]
        )
        return not self._start_failed.is_set()

    def on_doorbell(self, job_id: str) -> None:
        """Handle a doorbell: claim jobs, which SQL chooses and not the message, until none is due.

        Raises:
            SystemExit: the pool must replace this process.
        """
        assert self._process is not None, "the pool starts its processes through on_process_start"
        workers = 1 if self._heartbeat is None else self._heartbeat.workers
        try:
            while not self._drain.begun and answer(self._process, workers):
                pass
        except (WornOut, MemoryError) as error:  # a MemoryError would make Celery's parent exit
            raise SystemExit(0) from error
        if self._drain.begun:
            for queue in self._queues:
                self._process.queue.ring(uuid.UUID(job_id), queue)  # for another worker

    def on_shutting_down(self, how: str, **_: Any) -> None:
        """Handle the stop signal. Runs in the parent's signal handler."""
        if how == "Warm":
            self._drain.begin()
            self._wake_up.wake()

    def on_process_start(self, **_: Any) -> None:
        """Initialise a new pool process: load and warm the model, then start the heartbeat."""
        configure_logging(self.settings.log_level)
        configure_traces("shrutlekh-worker", self.settings.otlp_endpoint)
        limit_memory(self.settings.worker_memory_bytes)
        queue = JobQueue(self.celery)
        began = time.perf_counter()
        try:
            with self._drain.ends_process():
                self._process = process = WorkerProcess.start(
                    self.settings, self.share.threads, queue, self._drain
                )
        except Exception:
            # Stop the whole worker: Celery would continue without this process and look healthy.
            log.exception("worker_start_failed")
            self._start_failed.set()
            os.kill(os.getppid(), signal.SIGTERM)
            raise
        WARM_UP_SECONDS.set(time.perf_counter() - began)
        self._heartbeat = Heartbeat(
            process.redis,
            process.name,
            self.settings.heartbeat_seconds,
            self.settings.heartbeat_expiry,
            models=self.settings.worker_models,
        )
        self._heartbeat.start()
        log.info("worker_warm", worker=process.name, threads=self.share.threads)
        _ring_for_due(process, self._queues[0])

    def on_process_stop(self, exitcode: int = 0, **_: Any) -> None:
        """Clean up at the orderly end of a pool process."""
        if self._heartbeat is not None:
            self._heartbeat.stop()
        if self._process is not None:
            self._process.close()
        stop_traces()
        if self._drain.begun:
            # Billiard would sleep for a second so that the parent can learn of the end and replace this
            # process. A parent that stops only waits for the end.
            os._exit(exitcode)


def _ring_for_due(process: WorkerProcess, queue: str) -> None:
    """Ring in ``queue`` if a job is due.

    There may be fewer messages than processes, and the sweeper looks seldom.
    """
    with suppress(DatabaseUnavailable):
        with process.database.read() as session:
            due = due_jobs(session, 1, process.settings.worker_models)
        for job_id in due:
            process.queue.ring(job_id, queue)
