"""Upgrading a database with jobs in it loses none of them, and what was in flight goes on."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from shrutlekh_contract.options import RecognitionOptions
from sqlalchemy import MetaData, Table, func, insert, select

from migrations.schema import alembic_config, upgrade
from shared.clock import now
from shared.database import Database
from shared.jobs.attempts import claim
from shared.jobs.job_options import options_of
from shared.jobs.queries import count_segments
from shared.jobs.tables import Job, JobEvent, JobStatus
from shared.jobs.verbs import submit
from tests.shared.conftest import make_job


@pytest.fixture(params=["sqlite", "postgres"])
def old_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of the first schema."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'old.db'}"
    else:
        url = str(request.getfixturevalue("empty_postgres_url"))
    database = Database(url)
    upgrade(database, "0001")
    yield database
    database.close()


def old_row(**columns: object) -> dict[str, object]:
    """A queued job in the columns that every schema has."""
    moment = now()
    return {
        "status": "queued",
        "created_at": moment,
        "file_name": "a.wav",
        "file_bytes": 1,
        "file_sha256": "0" * 64,
        "model": "m",
        "transcript": True,
        "waveform": True,
        "progress": 0.0,
        "attempt": 0,
        "max_attempts": 3,
        "available_at": moment,
        "cancel_requested": False,
        **columns,
    }


def table_of_jobs(database: Database) -> Table:
    tables = MetaData()
    tables.reflect(database.engine)
    return tables.tables["jobs"]


def fill(database: Database) -> tuple[uuid.UUID, uuid.UUID]:
    """A job that waits and one, with a segment, whose worker fell silent."""
    tables = MetaData()
    tables.reflect(database.engine)
    moment = now()
    waiting, broken_off = sorted((uuid.uuid4(), uuid.uuid4()))
    segment = {"position": 0, "start_seconds": 0.0, "end_seconds": 1.0, "text": "हाँ", "words": []}
    event = {"at": moment, "event": "submitted", "to_status": "queued", "attempt": 0}
    with database.write() as session:
        for job_id in (waiting, broken_off):
            attempt = int(job_id == broken_off)
            row = old_row(id=_id(database, job_id), file_key=job_id.hex, attempt=attempt)
            session.execute(insert(tables.tables["jobs"]).values(row))
            session.execute(insert(tables.tables["job_events"]).values(event | {"job_id": row["id"]}))
        session.execute(insert(tables.tables["segments"]).values(segment | {"job_id": row["id"]}))
    return waiting, broken_off


def _id(database: Database, job_id: uuid.UUID) -> object:
    return job_id.hex if database.is_sqlite else job_id


def test_jobs_of_the_first_schema_go_on(old_database: Database) -> None:
    waiting, broken_off = fill(old_database)
    upgrade(old_database)
    with old_database.write() as session:
        late = make_job()
        submit(session, late)
        assert session.scalar(select(func.count()).select_from(JobEvent)) == 3
    claimed = []
    for _ in range(3):
        with old_database.write() as session:
            job = claim(session, "w", timedelta(seconds=60))
            assert job is not None
            assert count_segments(session, job.id) == 0
            claimed.append(job.id)
    assert set(claimed) == {waiting, broken_off, late.id}


def test_the_way_back_keeps_the_jobs(old_database: Database) -> None:
    jobs = set(fill(old_database))
    upgrade(old_database)
    with old_database.write() as session:
        command.downgrade(alembic_config(session.connection()), "0001")
    upgrade(old_database)
    with old_database.read() as session:
        rows = session.scalars(select(Job)).all()
        assert {job.id for job in rows} == jobs
        assert {job.status for job in rows} == {JobStatus.QUEUED}
        assert session.scalar(select(func.count()).select_from(JobEvent)) == 2


OPTIONS = [
    {"decoder": None, "channels": "mix", "hotwords": None, "hotword_weight": None},
    {"decoder": "greedy", "channels": "each", "hotwords": None, "hotword_weight": None},
    {"decoder": "beam", "channels": "mix", "hotwords": ["मसूरी", 'नई "दिल्ली"'], "hotword_weight": 2.5},
]


def test_options_move_into_one_column_and_back(old_database: Database) -> None:
    upgrade(old_database, "0003")
    jobs = {uuid.uuid4(): options for options in OPTIONS}
    before = table_of_jobs(old_database)
    with old_database.write() as session:
        for job_id, options in jobs.items():
            row = old_row(id=_id(old_database, job_id), file_key=job_id.hex)
            given = {name: value for name, value in options.items() if value is not None}
            session.execute(insert(before).values(row | given))
    upgrade(old_database)
    with old_database.read() as session:
        for job_id, options in jobs.items():
            expected = RecognitionOptions.of_json(options).settled()
            assert options_of(session.get_one(Job, job_id)).recognition() == expected
            assert session.get_one(Job, job_id).options == expected.json()
    with old_database.write() as session:
        command.downgrade(alembic_config(session.connection()), "0003")
    with old_database.read() as session:
        for job_id, options in jobs.items():
            row = session.execute(select(before).where(before.c.id == _id(old_database, job_id))).one()
            assert {name: row._mapping[name] for name in options} == options
