"""How many jobs a second Postgres can take from claim to result, each commit synced to the disk."""

import multiprocessing
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from uuid_utils.compat import uuid7

from benchmarks.capacity.service import cpu_seconds_of_tree, postgres, postgres_counters, postgres_setting
from migrations.schema import upgrade
from shared import jobs
from shared.database import Database
from shared.jobs import Job, Measurements, Priority, Waveform
from transcript.words import Segment, Word

LEASE = timedelta(minutes=1)
PICTURE_BYTES = 33_000
JOBS_A_SECOND = 400
"""Jobs that are queued for each second and client, more than a client ends."""

COMMITS_A_JOB = 3
"""A claim, a renewal, a success."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What a number of clients achieved, each with one connection, without pause.

    Attributes:
        commits: transactions that write, a second.
        syncs: of the log to the disk, a second: fewer, because commits at the same time share one.
        postgres_ms: CPU time of Postgres for a commit.
    """

    clients: int
    commits: float
    syncs: float
    postgres_ms: float


def ceilings(folder: Path, clients: tuple[int, ...], seconds: float) -> Iterator[Ceiling]:
    """Measure with each number of clients."""
    with postgres(folder) as (url, process):
        if (fsync := postgres_setting(url, "fsync")) != "on":
            raise SystemExit(f"fsync is {fsync}: the figures would say nothing.")
        address = url.replace("postgresql://", "postgresql+psycopg://", 1)
        database = Database(address)
        upgrade(database)
        context = multiprocessing.get_context("spawn")
        for number in clients:
            _queue(database, round(JOBS_A_SECOND * seconds))
            barrier = context.Barrier(number + 1)
            ended = context.Value("q", 0)
            work = (address, seconds, barrier, ended)
            processes = [context.Process(target=_client, args=(f"w{one}", *work)) for one in range(number)]
            for one in processes:
                one.start()
            barrier.wait()
            began, cpu = time.monotonic(), cpu_seconds_of_tree(process)
            syncs = postgres_counters(url)[1]
            barrier.wait()
            spent = time.monotonic() - began
            commits = COMMITS_A_JOB * ended.value
            synced = postgres_counters(url)[1] - syncs
            used = cpu_seconds_of_tree(process) - cpu
            for one in processes:
                one.join()
            yield Ceiling(number, commits / spent, synced / spent, 1000 * used / commits)
        database.close()


def _queue(database: Database, number: int) -> None:
    with database.write() as session:
        jobs.submit(session, *(_job() for _ in range(number)))


def _job() -> Job:
    return Job(
        id=uuid7(),
        file_name="a.mp3",
        file_key=uuid.uuid4().hex,
        file_bytes=2**20,  # long enough to be claimed alone
        file_sha256="0" * 64,
        model="hi-ctc-base",
        transcript=True,
        waveform=True,
        max_attempts=3,
        client="c",
        priority=Priority.NORMAL,
    )


def _client(owner: str, url: str, seconds: float, barrier, ended) -> None:  # type: ignore[no-untyped-def]
    """Claim jobs, renew the lease of each, and end it with a minute of words and a picture."""
    database = Database(url, pool_size=1)
    words = tuple(Word(f"शब्द{number}", number / 2, number / 2 + 0.4, 0.9) for number in range(80))
    measured = Measurements(60.0, 16_000, 1, 44.0, {"graph": 1.0, "search": 0.5})
    picture = Waveform(bytes(PICTURE_BYTES), {"version": 2, "data": [1, 2] * 400})
    database.ping()
    barrier.wait()
    done, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        with database.write() as session:
            job = jobs.claim(session, owner, LEASE)
        if job is None:
            break
        with database.write() as session:
            jobs.renew(session, job.id, owner, LEASE, 0.5, 1)
            jobs.save_segments(session, job.id, [Segment.from_words(words[:40])], first=0)
        with database.write() as session:
            jobs.succeed(session, job, owner=owner, measured=measured, waveform=picture)
            jobs.save_segments(session, job.id, [Segment.from_words(words[40:])], first=1)
        done += 1
    with ended.get_lock():
        ended.value += done
    barrier.wait()
    database.close()
