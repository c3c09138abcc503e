"""What the front end counts, and what it looks up in the database when Prometheus asks."""

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.clock import now
from shared.database import Database
from shared.errors import DatabaseUnavailable
from shared.jobs import count_due, count_running, queue_length
from shared.settings import Settings

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
NO_ROUTE = "(none)"  # a path that no route has: its text must not become a label


class Metrics:
    """The metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "shrutlekh_http_request_seconds",
            "From the first byte of a request to the last of its answer, long polls and uploads included.",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.submitted = Counter(
            "shrutlekh_jobs_submitted", "Jobs accepted, replays of a key not counted.", registry=self.registry
        )
        self.received = Counter(
            "shrutlekh_upload_bytes", "Bytes of accepted recordings.", registry=self.registry
        )
        self._workers = Gauge(
            "shrutlekh_workers", "Worker processes that have beaten lately.", registry=self.registry
        )
        self._redis_up = Gauge("shrutlekh_redis_up", "1 while Redis answers.", registry=self.registry)

    def see_redis(self, workers: int) -> None:
        """Redis answers, and knows of so many worker processes."""
        self._redis_up.set(1)
        self._workers.set(workers)

    def miss_redis(self) -> None:
        """Redis does not answer: nobody knows of a worker."""
        self._redis_up.set(0)
        self._workers.set(0)

    def watch(self, settings: Settings, database: Database) -> None:
        """Also report the queue and the disk."""
        self.registry.register(_Queue(settings, database))


class MeasureRequests:
    """Measures every request by its route's pattern, method and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._seconds = metrics.requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; one that raises counts as 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        try:
            await self._app(scope, receive, noting_send)
        finally:
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            self._seconds.labels(scope["method"], route, status).observe(time.perf_counter() - began)


class _Queue(Collector):
    """Looked up at each scrape: true whichever process asks. Blocks, so a thread collects it."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: registering must not ask the database."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Queue and disk; without the database only that it is away."""
        try:
            queued, running, oldest = self._look()
            up = 1.0
        except DatabaseUnavailable:
            up = 0.0
        yield GaugeMetricFamily("shrutlekh_database_up", "1 while the database answers.", up)
        if up:
            jobs = GaugeMetricFamily("shrutlekh_jobs", "Jobs that have not ended.", labels=["status"])
            jobs.add_metric(["queued"], queued)
            jobs.add_metric(["running"], running)
            yield jobs
            yield GaugeMetricFamily(
                "shrutlekh_oldest_queued_seconds",
                "Age of the oldest job that is due and waits; 0 without one.",
                oldest,
            )
        with suppress(OSError):  # not there yet, or not mounted: a gap in the series says so
            free = shutil.disk_usage(self._settings.data_dir).free
            yield GaugeMetricFamily(
                "shrutlekh_disk_free_bytes", "Room left where recordings are stored.", free
            )
        yield GaugeMetricFamily(
            "shrutlekh_disk_reserve_bytes", "Room that uploads leave.", self._settings.disk_reserve_bytes
        )

    def _look(self) -> tuple[int, int, float]:
        with self._database.read() as session:
            queued = queue_length(session)
            running = count_running(session)
            oldest = count_due(session, now()).oldest
        return queued, running, 0.0 if oldest is None else (now() - oldest).total_seconds()
