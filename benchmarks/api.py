"""``make bench-api``: submits and polls a second on Postgres while two workers are saturated.

The service runs as processes of its own (API, two worker processes, sweeper, Redis, Postgres), and beside it
a FastAPI route that only saves the upload. Both get the same uploads, in turn, while the workers transcribe a
backlog that outlasts the measurement. Then listeners subscribe to the events of jobs that wait, and the
memory of the API process is compared with the one before.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from pgserver.postgres_server import get_server
from rich.console import Console
from rich.table import Table

from benchmarks.listeners import cpu_seconds_of, free_port, idle_listeners, memory_of
from benchmarks.raw_http import Connection, connected, get, upload
from benchmarks.recordings import short
from ops.demo import embedded_service

WORKERS = 2
BACKLOG = 400
WATCHED = 100
TURNS = 3
# After the first look at what they watch, which wakes all listeners at once.
SETTLE_SECONDS = 10.0
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Load:
    """What a number of connections achieved in some seconds.

    Attributes:
        requests: completed ones.
        cpu_ms: CPU time of the server's process for each of them.
    """

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @classmethod
    def of(cls, times: list[float], seconds: float, cpu_seconds: float) -> "Load":
        """Summarise the seconds of each request."""
        cuts = statistics.quantiles(times, n=100)
        return cls(len(times), seconds, 1000 * cuts[49], 1000 * cuts[98], 1000 * cpu_seconds / len(times))


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of a run. ``ratios`` compares submits a second with the bare route's, turn by turn."""

    bare: list[Load]
    submits: list[Load]
    polls: Load
    polls_with_listeners: Load
    listeners: int
    idle_mb: float
    listening_mb: float

    @property
    def ratios(self) -> list[float]:
        return [
            submits.per_second / bare.per_second
            for submits, bare in zip(self.submits, self.bare, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Server:
    """The address of a server, and its process."""

    url: str
    process: psutil.Process

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the process so far."""
        return cpu_seconds_of(self.process.pid)


async def loaded(
    server: Server, request: bytes, *, connections: int, seconds: float, per_second: float | None = None
) -> Load:
    """Send a request over and over.

    Args:
        per_second: of all connections together; None for as many as are answered.

    Raises:
        SystemExit: an answer is an error.
    """
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def send(number: int) -> None:
        async with connected(server.url) as connection:
            due = time.perf_counter()
            if per_second is not None:
                due += number / per_second
            while (began := time.perf_counter()) < end:
                if began < due:
                    await asyncio.sleep(due - began)
                    began = time.perf_counter()
                answer = await connection.send(request)
                if answer.status >= 300:
                    sys.exit(f"The service answered {answer.status}: {answer.body.decode()}")
                times.append(time.perf_counter() - began)
                if per_second is not None:
                    due = max(due + connections / per_second, began)

    began, cpu = time.perf_counter(), server.cpu_seconds
    await asyncio.gather(*(send(number) for number in range(connections)))
    return Load.of(times, time.perf_counter() - began, server.cpu_seconds - cpu)


async def measure(api: Server, bare_route: Server, folder: Path, arguments: argparse.Namespace) -> Report:
    """Measure both servers, in turn."""
    clip = short(folder / "short", 1).paths[0]
    submit, save = upload("/v1/jobs", clip), upload("/upload", clip)
    waiting = await _fill_queue(api.url, clip)
    seconds, connections = arguments.seconds, arguments.connections
    bare, submits = [], []
    for _ in range(TURNS):
        bare.append(await loaded(bare_route, save, connections=connections, seconds=seconds / TURNS))
        submits.append(await loaded(api, submit, connections=connections, seconds=seconds / TURNS))
    poll = get(f"/v1/jobs/{waiting[0]}")
    rate = float(arguments.polls_per_second)
    polls = await loaded(api, poll, connections=connections, seconds=seconds, per_second=rate)
    idle = memory_of(api.process.pid)
    address = urlsplit(api.url)
    async with idle_listeners(str(address.hostname), int(address.port or 80), waiting, arguments.listeners):
        await asyncio.sleep(SETTLE_SECONDS)
        held = memory_of(api.process.pid)
        with_listeners = await loaded(api, poll, connections=connections, seconds=seconds, per_second=rate)
    return Report(bare, submits, polls, with_listeners, arguments.listeners, idle, held)


async def _fill_queue(url: str, clip: Path) -> list[str]:
    """Queue more audio than the workers can transcribe meanwhile.

    Returns:
        The ids of jobs that wait until the end, because they have a low priority.
    """
    async with connected(url) as connection:
        for _ in range(BACKLOG):
            await _submitted(connection, upload("/v1/jobs", clip))
        low = upload("/v1/jobs", clip, priority="low")
        return [await _submitted(connection, low) for _ in range(WATCHED)]


async def _submitted(connection: Connection, request: bytes) -> str:
    answer = await connection.send(request)
    assert answer.status == 202, answer
    return str(json.loads(answer.body)["id"])


def api_process() -> psutil.Process:
    """Return the process of the API among the descendants of this one."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[-2:] == ["-m", "api"]:
                return process
    raise RuntimeError("the API does not run")


@contextmanager
def bare_server(folder: Path) -> Iterator[Server]:
    """Run the bare route during the block."""
    folder.mkdir()
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bare_upload", str(folder), str(port)]
    with subprocess.Popen(command, cwd=ROOT) as server:  # noqa: S603 - our own command
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield Server(f"http://127.0.0.1:{port}", psutil.Process(server.pid))
        finally:
            server.terminate()


def table(report: Report) -> Table:
    """Return the figures as a table."""
    shown = Table("measured", "per second", "p50 ms", "p99 ms", "CPU ms")
    rows = [(f"bare route, turn {turn}", load) for turn, load in enumerate(report.bare, 1)]
    rows += [(f"submit, turn {turn}", load) for turn, load in enumerate(report.submits, 1)]
    rows += [("poll", report.polls), (f"poll, {report.listeners} listeners", report.polls_with_listeners)]
    for name, load in rows:
        figures = (f"{value:.1f}" for value in (load.p50_ms, load.p99_ms, load.cpu_ms))
        shown.add_row(name, f"{load.per_second:.0f}", *figures)
    return shown


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement (default 30)")
    parser.add_argument("--connections", type=int, default=8, help="at a time (default 8)")
    parser.add_argument("--polls-per-second", type=int, default=100, help="default 100")
    parser.add_argument("--listeners", type=int, default=1000, help="of events (default 1000)")
    parser.add_argument("--quick", action="store_true", help="3 seconds: shows that the benchmark works")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seconds = 3.0
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # inherited by the API
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)  # as root, Postgres runs under a user of its own
        postgres = get_server(folder / "postgres", cleanup_mode="delete")
        try:
            database = postgres.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
            os.environ |= {
                "SHRUTLEKH_DATABASE_URL": database,
                "SHRUTLEKH_WORKER_PROCESSES": str(WORKERS),
            }
            with embedded_service(folder / "data") as url, bare_server(folder / "bare") as bare_route:
                api = Server(url, api_process())
                report = asyncio.run(measure(api, bare_route, folder, arguments))
        finally:
            postgres.cleanup()
    if arguments.json:
        print(json.dumps(asdict(report) | {"ratios": report.ratios}))
        return
    console = Console()
    console.print(table(report))
    ratios = ", ".join(f"{ratio:.2f}" for ratio in report.ratios)
    console.print(f"Submits relative to the bare route, in turn: {ratios} (at least 0.5 wanted)")
    console.print(
        f"Memory of the API: {report.idle_mb:.0f} MB, with {report.listeners} listeners of events "
        f"{report.listening_mb:.0f} MB",
        highlight=False,
    )


if __name__ == "__main__":
    main()
