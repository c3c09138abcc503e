"""Metrics of the API: those it counts itself, and those it queries from the database at each scrape."""

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.database import Database
from shared.errors import DatabaseUnavailable
from shared.jobs import count_due, count_running, queue_length
from shared.settings import Settings
from shared.webhooks import count_pending

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
NO_ROUTE = "(none)"  # label of requests without a route, whose path must not become a label


class Metrics:
    """The metrics of one application, with their registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "shrutlekh_http_request_seconds",
            "Seconds from the first byte of a request to the last of its response, including long polls and "
            "uploads, without event streams.",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.streams = Gauge(
            "shrutlekh_event_streams", "Event streams that are open.", registry=self.registry
        )
        self.submitted = Counter(
            "shrutlekh_jobs_submitted",
            "Jobs accepted, without replays of an idempotency key.",
            registry=self.registry,
        )
        self.received = Counter(
            "shrutlekh_upload_bytes", "Bytes of accepted recordings.", registry=self.registry
        )
        self._workers = Gauge(
            "shrutlekh_workers", "Worker processes with a recent heartbeat.", registry=self.registry
        )
        self._redis_up = Gauge("shrutlekh_redis_up", "1 while Redis answers.", registry=self.registry)

    def see_redis(self, workers: int) -> None:
        """Record that Redis answers and holds the heartbeats of this number of worker processes."""
        self._redis_up.set(1)
        self._workers.set(workers)

    def miss_redis(self) -> None:
        """Record that Redis does not answer, so that no worker is known."""
        self._redis_up.set(0)
        self._workers.set(0)

    def watch(self, settings: Settings, database: Database) -> None:
        """Also export metrics of the queue and the disk."""
        self.registry.register(_Queue(settings, database))


class MeasureRequests:
    """Middleware that measures each request by method, route pattern and status.

    Event streams last as long as their clients listen. They are only counted, while they are open.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._seconds = metrics.requests
        self._streams = metrics.streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application and measure it; an exception counts as status 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        is_stream = False

        async def noting_send(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                status = message["status"]
                if _is_stream(message):
                    is_stream = True
                    self._streams.inc()
            await send(message)

        began = time.perf_counter()
        try:
            await self._app(scope, receive, noting_send)
        finally:
            if is_stream:
                self._streams.dec()
            else:
                route = getattr(scope.get("route"), "path", NO_ROUTE)
                self._seconds.labels(scope["method"], route, status).observe(time.perf_counter() - began)


def _is_stream(start: Message) -> bool:
    content_type: bytes = dict(start["headers"]).get(b"content-type", b"")
    return content_type.startswith(b"text/event-stream")


class _Queue(Collector):
    """Queries the database at each scrape, so that all processes export the same values. Blocks."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Return nothing, because registration must not query the database."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics of the queue and the disk; if the database is down, no queue metrics."""
        try:
            queued, running, oldest, webhooks = self._look()
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
                "Age of the oldest due job; 0 if no job is due.",
                oldest,
            )
            yield GaugeMetricFamily(
                "shrutlekh_webhooks_pending",
                "Webhooks neither delivered nor given up.",
                webhooks,
            )
        with suppress(OSError):  # the folder does not exist or is not mounted: leave a gap in the series
            free = shutil.disk_usage(self._settings.data_dir).free
            yield GaugeMetricFamily(
                "shrutlekh_disk_free_bytes", "Free bytes on the disk that stores recordings.", free
            )
        yield GaugeMetricFamily(
            "shrutlekh_disk_reserve_bytes",
            "Bytes that uploads leave free.",
            self._settings.disk_reserve_bytes,
        )

    def _look(self) -> tuple[int, int, float, int]:
        with self._database.read() as session:
            queued = queue_length(session)
            running = count_running(session)
            oldest = count_due(session).oldest
            webhooks = count_pending(session)
        return queued, running, 0.0 if oldest is None else oldest.total_seconds(), webhooks
