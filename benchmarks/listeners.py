"""Memory, CPU and queries of an API process with many idle listeners of events.

``python -m benchmarks.listeners --count 1000`` starts an API on SQLite, without Redis and workers, whose jobs
therefore stay queued.
"""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil

from migrations.schema import upgrade
from shared.database import Database
from shared.settings import Settings

JOBS = 100
START_SECONDS = 60.0
SETTLE_SECONDS = 20.0
IDLE_SECONDS = 15.0


@asynccontextmanager
async def idle_listeners(host: str, port: int, job_ids: list[str], count: int) -> AsyncIterator[None]:
    """Keep ``count`` event streams of these jobs open within the block. Each has received its first event."""
    writers = await asyncio.gather(
        *(_listen(host, port, job_ids[number % len(job_ids)]) for number in range(count))
    )
    try:
        yield
    finally:
        for writer in writers:
            writer.close()


async def _listen(host: str, port: int, job_id: str) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    await reader.readuntil(b"event: status")
    return writer


def memory_of(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), redis_url=f"unix://{folder}/no.sock", port=free_port())
        database = Database(settings.database)
        upgrade(database)
        database.close()
        values = settings.model_dump(exclude_unset=True)
        environment = {f"SHRUTLEKH_{name.upper()}": str(value) for name, value in values.items()}
        with subprocess.Popen([sys.executable, "-m", "api"], env=os.environ | environment) as api:
            try:
                asyncio.run(_measure(settings, api.pid, count))
            finally:
                api.terminate()


async def _measure(settings: Settings, pid: int, count: int) -> None:
    url = f"http://127.0.0.1:{settings.port}"
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        await _until_ready(http)
        files = {"file": ("a.wav", b"RIFF")}
        jobs = [(await http.post("/v1/jobs", files=files)).json()["id"] for _ in range(JOBS)]
    before = memory_of(pid)
    async with idle_listeners("127.0.0.1", settings.port, jobs, count):
        await asyncio.sleep(SETTLE_SECONDS)
        began, cpu = time.perf_counter(), cpu_seconds_of(pid)
        await asyncio.sleep(IDLE_SECONDS)
        busy = (cpu_seconds_of(pid) - cpu) / (time.perf_counter() - began)
        held = memory_of(pid)
    print(f"RSS without listeners: {before:.0f} MB")
    each = (held - before) / count * 1000
    print(f"RSS with {count} listeners of {JOBS} jobs: {held:.0f} MB, {each:.0f} KB each")
    print(f"CPU while they are idle: {100 * busy:.1f} % of a core")


async def _until_ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                await http.get("/healthz")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return


def cpu_seconds_of(pid: int) -> float:
    """Return the CPU time of a process so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    main()
