"""Counts of a fixed set of jobs. ``python -m tests.stack.counts --write`` writes them to EXPECTED.

The API runs in this process, and so does a worker without Celery. Each job is submitted, polled and answered
alone, then all at once. Nothing depends on the clock: the lease is renewed only at the end of a job.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import numpy as np
import numpy.typing as npt
import soundfile
from redis import Redis

from migrations.schema import upgrade
from shared.database import Database
from shared.queue import QUEUE
from shared.settings import Settings
from tests.api.front_end import running
from tests.conftest import own_postgres, own_redis, postgres_url_of
from tests.stack.counting import FILES, GRAPH_RUNS, READ, WRITTEN, Tally, counted, uncounted
from worker.process import WorkerProcess
from worker.transcribe import answer

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = Path(__file__).with_name("expected_counts.json")
WRITE = "python -m tests.stack.counts --write"
RATE = 22_050  # of the samples
MINUTE = "a minute"
WARM_UP = "warm-up"
# Bytes are compared with the size of the recording, which must be large beside what the database writes.
LARGE = 4_000_000

Samples = npt.NDArray[np.float32]
Counts = dict[str, Any]


def recordings(folder: Path) -> dict[str, Path]:
    """Make the recordings of the fixed set: clips, a minute in stereo, and noise without speech."""
    folder.mkdir()
    samples = {
        path.stem: soundfile.read(path, dtype="float32")[0] for path in (ROOT / "samples").glob("*.wav")
    }
    names = sorted(samples)
    made = {name: _written(folder / f"{name}.wav", samples[name]) for name in names[:3]}
    made["an MP3"] = _written(folder / "clip.mp3", samples[names[3]])
    pause = np.zeros(RATE // 2, np.float32)
    parts = [part for name in names for part in (samples[name], pause)]
    long = np.resize(np.concatenate(parts), 60 * RATE)
    made[MINUTE] = _written(folder / "minute.wav", np.stack([long, long], axis=1))
    noise = np.random.default_rng(7).normal(0, 0.003, 4 * RATE).astype(np.float32)
    made["no speech"] = _written(folder / "noise.wav", noise)
    return made


def _written(path: Path, samples: Samples) -> Path:
    soundfile.write(path, samples, RATE)
    return path


def counts_on(database_url: str, redis_url: str, folder: Path) -> Counts:
    """Run the fixed set of jobs on an empty database and return what each step took."""
    settings = Settings(
        data_dir=folder / "data",
        database_url=database_url,
        redis_url=redis_url,
        models_dir=ROOT / "models",
        disk_reserve_bytes=0,
        lease_seconds=3600,
    )
    with (
        patch("worker.transcribe.SAVE_EVERY_SECONDS", float("inf")),
        patch("api.intake.admission.COUNT_SECONDS", float("inf")),
        Redis.from_url(redis_url) as redis,
    ):
        redis.flushall()
        process = WorkerProcess.start(settings, threads=1)
        try:
            return asyncio.run(_count(settings, redis, process, recordings(folder / "recordings")))
        finally:
            process.close()


async def _count(settings: Settings, redis: Redis, process: WorkerProcess, made: dict[str, Path]) -> Counts:
    counts: Counts = {}
    async with running(settings) as (_, client):
        for name, path in {WARM_UP: made[MINUTE], **made}.items():
            counts[name] = await _count_job(settings, redis, process, client, path)
        del counts[WARM_UP]
        for path in made.values():
            await _submit(client, redis, path)
        with _step(settings) as together:
            while answer(process):
                pass
        counts["all at once"] = {"worker": _told(together)}
    return counts


async def _count_job(
    settings: Settings, redis: Redis, process: WorkerProcess, client: httpx.AsyncClient, path: Path
) -> Counts:
    size = path.stat().st_size
    with _step(settings) as submit:
        job = await _submit(client, redis, path)
    with _step(settings) as poll:
        (await client.get(job)).raise_for_status()
    with _step(settings) as work:
        assert answer(process)
    with _step(settings) as poll_at_end:
        done = (await client.get(job)).raise_for_status().json()
    assert done["status"] == "succeeded", done
    with _step(settings) as transcript:
        (await client.get(f"{job}/transcript")).raise_for_status()
    counts = {
        "submit": _told(submit, size),
        "poll while queued": _told(poll),
        "worker": _told(work, size),
        "poll at the end": _told(poll_at_end),
        "transcript": _told(transcript),
    }
    minutes = soundfile.info(path).duration / 60
    counts["worker"][f"{GRAPH_RUNS} per audio minute"] = round(work.counts[GRAPH_RUNS] / minutes, 1)
    return counts


@contextmanager
def _step(settings: Settings) -> Iterator[Tally]:
    with counted(Tally(settings.data_dir, settings.models_dir)) as tally:
        yield tally


async def _submit(client: httpx.AsyncClient, redis: Redis, path: Path) -> str:
    """Submit a recording, wait until the doorbell has rung, and return the path of the job."""
    with uncounted():
        redis.delete(QUEUE)  # no message is sent while enough wait
    response = await client.post("/v1/jobs", files={"file": (path.name, path.read_bytes())})
    assert response.status_code == 202, response.text
    for _ in range(500):
        if _waiting(redis):
            await asyncio.sleep(0.1)  # the commands after the message
            return str(response.headers["Location"])
        await asyncio.sleep(0.02)
    raise AssertionError("nobody rang")


def _waiting(redis: Redis) -> int:
    with uncounted():
        return int(redis.llen(QUEUE))


def _told(tally: Tally, size: int = 0) -> Counts:
    """Everything but bytes as counted; bytes relative to the size of a large recording."""
    told: Counts = {what: tally.counts[what] for what in sorted(tally.counts) if what not in (READ, WRITTEN)}
    told = {what: number for what, number in told.items() if number or what == FILES}
    if size >= LARGE:
        told |= {f"{what} per byte": round(tally.counts[what] / size, 1) for what in (READ, WRITTEN)}
    return told


def differences(expected: Any, found: Any, where: str = "") -> list[str]:
    """Tell in which places two trees of counts differ."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [
            line
            for name in sorted({*expected, *found})
            for line in differences(
                expected.get(name, 0), found.get(name, 0), f"{where} / {name}".strip(" /")
            )
        ]
    return [] if expected == found else [f"{where}: {expected} expected, {found} counted"]


def count_all() -> Counts:
    """Count on SQLite and on Postgres."""
    with tempfile.TemporaryDirectory() as temporary, own_redis() as (redis_url, _), own_postgres() as server:
        urls = {"sqlite": f"sqlite:///{temporary}/counts.db", "postgres": postgres_url_of(server)}
        counts = {}
        for kind, url in urls.items():
            database = Database(url)
            upgrade(database)
            database.close()
            (folder := Path(temporary, kind)).mkdir()
            counts[kind] = counts_on(url, redis_url, folder)
    return counts


def main() -> None:
    """Compare with EXPECTED, or write it."""
    parser = argparse.ArgumentParser(prog="python -m tests.stack.counts", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {EXPECTED.name}")
    arguments = parser.parse_args()
    found = count_all()
    expected = json.loads(EXPECTED.read_text(encoding="utf-8")) if EXPECTED.exists() else {}
    print("\n".join(differences(expected, found)) or "No differences.")
    if arguments.write:
        text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False)
        EXPECTED.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
