"""Recordings for the toy model, and looks at what became of their jobs."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import select, update

from shared.database_clock import database_now
from shared.jobs.queries import get_job, read_segments
from shared.jobs.tables import Job, JobEvent
from tests.speech.sounds import silence, speak, wav_bytes
from worker.process import WorkerProcess

Result = TypeVar("Result")


def recording(*parts: np.ndarray) -> bytes:
    samples = np.concatenate(parts)
    return wav_bytes((samples * 32767).astype("<i2").tobytes())


def long_recording(sentences: int = 28) -> bytes:
    return recording(*[speak("नम मन तन "), silence(1.5)] * sentences)


def after(process: WorkerProcess, job: Job) -> Job:
    with process.database.read() as session:
        return get_job(session, job.id)


def history(process: WorkerProcess, job: Job) -> list[tuple[str, str | None]]:
    with process.database.read() as session:
        rows = session.scalars(select(JobEvent).where(JobEvent.job_id == job.id).order_by(JobEvent.id))
        return [(row.event, row.code) for row in rows]


def transcript(process: WorkerProcess, job: Job) -> list[tuple[Any, ...]]:
    """Segments with their words and times, as they are stored."""
    return [
        (row.position, row.start_seconds, row.end_seconds, row.text, row.words)
        for row in read_segments(process.database, job.id)
    ]


def stored(process: WorkerProcess, job: Job) -> bool:
    return process.files.exists(job.file_key)


def make_due(process: WorkerProcess, job: Job) -> None:
    """End the pause before the next attempt."""
    with process.database.write() as session:
        session.execute(update(Job).where(Job.id == job.id).values(available_at=database_now()))


def at_once(actions: Sequence[Callable[[], Result]]) -> list[Result]:
    """What the actions return, each in a thread of its own."""
    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.result() for future in [pool.submit(action) for action in actions]]
