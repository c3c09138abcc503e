"""``make bench-growth``: what jobs, polls and memory cost while the number of jobs grows.

``statements``: CPU and wall time of a claim, a submission, a poll, a page and a round of the sweeper, with
more and more queued and finished jobs. ``clips``: many short recordings through the whole service, and the
memory of its processes. ``polls``: a fixed rate of polls while two workers are saturated, and submissions,
with one API process and with two. Each part prints JSON; ``--out`` also writes it.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import soundfile
from pgserver.postgres_server import get_server
from rich.console import Console
from rich.progress import Progress
from uuid_utils.compat import uuid7

from benchmarks.api import BACKLOG, WORKERS, Load, Server, api_process, loaded
from benchmarks.listeners import free_port
from benchmarks.processes import megabytes_by_process
from benchmarks.raw_http import connected, get, upload
from benchmarks.recordings import ROOT, short
from migrations.schema import upgrade
from ops.demo import embedded_service
from shared import jobs
from shared.database import Database
from shared.files import FileStore, FolderStore
from shared.jobs import Job, Priority, Selection
from tests.jobs.many_jobs import add_finished, add_queued
from worker.retention import Retention
from worker.settling import Settler

Figures = dict[str, Any]

PARTS = ("statements", "clips", "polls")
FINISHED = (0, 100_000, 1_000_000)
QUEUED = (10, 1_000, 10_000)
TURNS = 50
LEASE = timedelta(minutes=1)
CLIP_SECONDS = 0.1
SAMPLED = 40  # times that the memory is looked at
START_SECONDS = 60

console = Console(stderr=True)


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run Postgres during the block and yield its URL."""
    folder.chmod(0o755)  # as root, Postgres runs under a user of its own
    server = get_server(folder / "postgres", cleanup_mode="delete")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()


# Statements


def statements(folder: Path, finished: Sequence[int], queued: Sequence[int]) -> list[Figures]:
    """Time the verbs with every number of finished and of queued jobs, on SQLite and on Postgres."""
    found = []
    with postgres(folder) as url:
        for kind, where in (("sqlite", f"sqlite:///{folder}/growth.db"), ("postgres", url)):
            database = Database(where)
            upgrade(database)
            try:
                found += _grown(kind, database, FolderStore(folder / "files"), finished, queued)
            finally:
                database.close()
    return found


def _grown(
    kind: str, database: Database, files: FileStore, finished: Sequence[int], queued: Sequence[int]
) -> list[Figures]:
    found: list[Figures] = []
    jobs_there = waiting = 0
    for count in sorted(finished):
        with Progress(console=console) as progress:
            task = progress.add_task(f"{kind}: {count:,} finished jobs", total=count - jobs_there)
            if count > jobs_there:
                for done in add_finished(database, count - jobs_there, first=jobs_there + 1):
                    progress.update(task, completed=done)
        jobs_there, base = count, 2**40 + count * 2**20
        waiting = 0
        for length in sorted(queued):
            add_queued(database, length - waiting, first=base + waiting)
            waiting = length
            times = _timed(database, files)
            found.append({"database": kind, "finished": count, "queued": length} | times)
            console.print(found[-1])
        _empty_queue(database)
    return found


def _empty_queue(database: Database) -> None:
    with database.write() as session:
        queued = jobs.ids_of(session, Selection(statuses=(jobs.JobStatus.QUEUED,)))
        for job_id in queued:
            jobs.cancel(session, job_id)


def _timed(database: Database, files: FileStore) -> Figures:
    """Median milliseconds of each step: CPU of this process, and wall time, which includes Postgres."""
    added: list[Job] = []

    def submit() -> None:
        job = _new_job()
        with database.write() as session:
            jobs.submit_once(session, job, look_first=False)
            jobs.queue_positions(session, [job])
        added.append(job)

    def poll() -> None:
        with database.read() as session:
            jobs.queue_position(session, jobs.get_job(session, added[-1].id))

    def claim_and_release() -> None:
        with database.write() as session:
            job = jobs.claim(session, "benchmark", LEASE)
            assert job is not None
        with database.write() as session:
            jobs.release(session, job, owner="benchmark")

    def page() -> None:
        with database.read() as session:
            jobs.page_of_jobs(session, Selection(), limit=50)

    def page_of_failed() -> None:
        with database.read() as session:
            jobs.page_of_jobs(session, Selection(statuses=(jobs.JobStatus.FAILED,)), limit=50)

    retention, settler = Retention(database, files, 3650), Settler(database)

    def sweep() -> None:
        with database.read() as session:
            jobs.expired_jobs(session, 1000)
            jobs.due_jobs(session, 1000)
        settler.settle_finished()
        retention.erase_expired()

    def remove() -> None:
        while added:
            with database.write() as session:
                jobs.cancel(session, added.pop().id)

    steps = (submit, poll, claim_and_release, page, page_of_failed, sweep)
    times = {step.__name__: _times_of(step) for step in steps}
    remove()
    return times


def _new_job() -> Job:
    return Job(
        id=uuid7(),
        file_name="a.wav",
        file_key=uuid7().hex,
        file_bytes=128_044,
        file_sha256="0" * 64,
        model="m",
        transcript=True,
        waveform=True,
        max_attempts=3,
        client="benchmark",
        priority=Priority.NORMAL,
    )


def _times_of(step: Callable[[], None]) -> Figures:
    cpu, wall = [], []
    step()
    for _ in range(TURNS):
        began, cpu_began = time.perf_counter(), time.process_time()
        step()
        cpu.append(time.process_time() - cpu_began)
        wall.append(time.perf_counter() - began)
    return {"cpu_ms": _ms(statistics.median(cpu)), "wall_ms": _ms(statistics.median(wall))}


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)


# Clips


def clips(folder: Path, count: int) -> Figures:
    """Send many clips through the service; compare the memory at the first and the last tenth."""
    with embedded_service(folder / "data") as url:
        return asyncio.run(_through(url, _pieces(folder / "pieces"), count))


def _pieces(folder: Path) -> list[Path]:
    """Cut the samples into clips of CLIP_SECONDS."""
    folder.mkdir()
    made: list[Path] = []
    for path in sorted((ROOT / "samples").glob("*.wav")):
        samples, rate = soundfile.read(path, dtype="float32")
        length = round(CLIP_SECONDS * rate)
        for start in range(0, len(samples) - length, length):
            made.append(folder / f"{len(made):04d}.wav")
            soundfile.write(made[-1], samples[start : start + length], rate)
    return made


async def _through(url: str, pieces: list[Path], count: int) -> Figures:
    requests = [upload("/v1/jobs", piece) for piece in pieces]
    memory: list[dict[str, float]] = []
    began = time.perf_counter()
    async with connected(url) as connection:
        with Progress(console=console) as progress:
            task = progress.add_task("clips", total=count)
            last = b""
            for number in range(count):
                answer = await connection.send(requests[number % len(requests)])
                if answer.status != 202:
                    sys.exit(f"The service answered {answer.status}: {answer.body.decode()}")
                last = answer.body
                progress.update(task, completed=number + 1)
                if number % max(count // SAMPLED, 1) == 0 or number == count - 1:
                    await _until_short(connection, json.loads(last)["id"])
                    memory.append(megabytes_by_process())
        await _until_short(connection, json.loads(last)["id"], most=0)
    memory.append(megabytes_by_process())
    tenth = max(len(memory) // 10, 1)
    first, end = memory[tenth : 2 * tenth], memory[-tenth:]
    growth = {
        name: round(_mean(sample[name] for sample in end) - _mean(sample[name] for sample in first), 1)
        for name in memory[-1]
        if all(name in sample for sample in (*first, *end))
    }
    seconds = time.perf_counter() - began
    return {"clips": count, "seconds": round(seconds, 1), "mb": memory[-1], "growth_mb": growth}


async def _until_short(connection: Any, job_id: str, most: int = 500) -> None:
    """Wait until at most so many jobs are before this one, and for 0 until it has ended."""
    while True:
        job = json.loads((await connection.send(get(f"/v1/jobs/{job_id}"))).body)
        if job.get("position") is None and (most or job["status"] not in ("queued", "running")):
            return
        if most and job["position"] is not None and job["position"] <= most:
            return
        await asyncio.sleep(0.1)


def _mean(values: Iterator[float]) -> float:
    return statistics.fmean(values)


# Polls


def polls(folder: Path, rate: float, seconds: float, connections: int) -> list[Figures]:
    """Poll at a fixed rate while two workers are saturated, and submit; with one API process and with two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with postgres(folder) as url:
        os.environ |= {"SHRUTLEKH_DATABASE_URL": url, "SHRUTLEKH_WORKER_PROCESSES": str(WORKERS)}
        with embedded_service(folder / "data") as address:
            first = Server(address, api_process())
            with second_api(first) as second:
                clip = short(folder / "short", 1).paths[0]
                return asyncio.run(_loads([first, second], clip, rate, seconds, connections))


@contextmanager
def second_api(first: Server) -> Iterator[Server]:
    """Run another API process on the database, Redis and files of the first."""
    port = free_port()
    environment = first.process.environ() | {"SHRUTLEKH_PORT": str(port)}
    with subprocess.Popen([sys.executable, "-m", "api"], env=environment, cwd=ROOT) as process:
        try:
            yield Server(f"http://127.0.0.1:{port}", psutil.Process(process.pid))
        finally:
            process.terminate()


async def _loads(
    servers: list[Server], clip: Path, rate: float, seconds: float, connections: int
) -> list[Figures]:
    for server in servers:
        await _until_ready(server.url)
    submit = upload("/v1/jobs", clip)
    async with connected(servers[0].url) as connection:
        for _ in range(BACKLOG):
            await connection.send(submit)
        low = await connection.send(upload("/v1/jobs", clip, priority="low"))
    poll = get(f"/v1/jobs/{json.loads(low.body)['id']}")
    found = []
    for used in (servers[:1], servers):
        share = len(used)
        for name, request, pace in (("poll", poll, rate / share), ("submit", submit, None)):
            loads = await asyncio.gather(
                *(
                    loaded(
                        server, request, connections=connections // share, seconds=seconds, per_second=pace
                    )
                    for server in used
                )
            )
            found.append({"request": name, "api_processes": share} | _together(loads))
            console.print(found[-1])
    return found


async def _until_ready(url: str) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                async with connected(url) as connection:
                    if (await connection.send(get("/healthz"))).status == 200:
                        return
            except OSError:
                pass
            await asyncio.sleep(0.1)


def _together(loads: Sequence[Load]) -> Figures:
    """Sum the rates; of the latencies tell the worst process's."""
    return {
        "per_second": round(sum(load.per_second for load in loads), 1),
        "p50_ms": round(max(load.p50_ms for load in loads), 1),
        "p99_ms": round(max(load.p99_ms for load in loads), 1),
        "cpu_ms": round(statistics.fmean(load.cpu_ms for load in loads), 2),
    }


def main() -> None:
    """Measure, print JSON, and write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)} (default all)")
    parser.add_argument("--finished", type=int, nargs="+", default=FINISHED, help="default 0, 10^5, 10^6")
    parser.add_argument("--queued", type=int, nargs="+", default=QUEUED, help="default 10, 1,000, 10,000")
    parser.add_argument("--clips", type=int, default=10_000, help="default 10,000")
    parser.add_argument("--polls-per-second", type=float, default=1000, help="default 1,000")
    parser.add_argument("--seconds", type=float, default=10, help="of each load (default 10)")
    parser.add_argument("--connections", type=int, default=32, help="default 32")
    parser.add_argument("--out", type=Path, help="write JSON to this file")
    arguments = parser.parse_args()
    run: dict[str, Callable[[Path], object]] = {
        "statements": lambda folder: statements(folder, arguments.finished, arguments.queued),
        "clips": lambda folder: clips(folder, arguments.clips),
        "polls": lambda folder: polls(
            folder, arguments.polls_per_second, arguments.seconds, arguments.connections
        ),
    }
    report = {}
    for part in arguments.parts or PARTS:
        if part not in run:
            parser.error(f"{part} is none of {', '.join(PARTS)}")
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            report[part] = run[part](Path(folder))
    text = json.dumps(report, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
