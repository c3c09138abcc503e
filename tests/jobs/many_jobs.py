"""Fill a database with jobs by SQL: a million finished ones take a minute or two.

Rows look like those of a service that has run for long: 97 % of the jobs succeeded, the rest failed or were
cancelled; half belong to five tenants, a tenth to batches; all had a webhook.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, bindparam, create_engine, text

from shared.clock import now
from shared.database import Database
from shared.orm import UtcDateTime

AT_ONCE = 50_000
JOBS_PER_BATCH = 100
TENANTS = 5
"""Tenants are named ``tenant-0`` to ``tenant-4``, clients ``client-0`` to ``client-4``."""

# What the two databases write differently. Ids grow with their number, as UUIDv7 do.
SQLITE = {
    "numbers": "WITH RECURSIVE numbers(n) AS "
    "(SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)",
    "job_id": "printf('%032x', {n})",
    "batch_id": "printf('0000000b%024x', {n})",
    "delivery_id": "printf('0000000d%024x', {n})",
    "key": "printf('%032x', {n})",
    "ago": "strftime('%Y-%m-%d %H:%M:%f000', :newest, '-' || ({seconds}) || ' seconds')",
    "json": "'{content}'",
    "bytes": "zeroblob({size})",
}
POSTGRES = {
    "numbers": "WITH numbers AS (SELECT generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n)",
    "job_id": "CAST(lpad(to_hex({n}), 32, '0') AS uuid)",
    "batch_id": "CAST('0000000b' || lpad(to_hex({n}), 24, '0') AS uuid)",
    "delivery_id": "CAST('0000000d' || lpad(to_hex({n}), 24, '0') AS uuid)",
    "key": "lpad(to_hex({n}), 32, '0')",
    "ago": "(CAST(:newest AS timestamptz) - ({seconds}) * interval '1 second')",
    "json": "CAST('{content}' AS jsonb)",
    "bytes": "CAST(repeat('x', {size}) AS bytea)",
}

FAILED, CANCELLED = "n % 100 = 1", "n % 100 = 2"
STATUS = f"CASE WHEN {FAILED} THEN 'failed' WHEN {CANCELLED} THEN 'cancelled' ELSE 'succeeded' END"
IS_SUCCESS = f"NOT ({FAILED} OR {CANCELLED})"
TENANT = f"CASE WHEN n % 2 = 1 THEN 'tenant-' || (n % {TENANTS}) ELSE '' END"


def add_finished(database: Database, count: int, first: int = 1) -> Iterator[int]:
    """Insert ``count`` finished jobs, a second apart, numbered from ``first`` on; yield how many are done."""
    writes = SQLITE if database.is_sqlite else POSTGRES
    statements = [
        _insert(writes, "jobs", _finished(writes)),
        *(_insert(writes, "job_events", event) for event in _events(writes)),
        _insert(writes, "segments", _segment(writes), where=IS_SUCCESS),
        _insert(writes, "waveforms", _waveform(writes), where=IS_SUCCESS),
        _insert(writes, "webhook_deliveries", _delivery(writes)),
        _insert(writes, "webhook_tries", _try(writes)),
    ]
    last = first + count - 1
    with _writing(database) as connection:
        _run(
            connection,
            [_insert(writes, "batches", _batch(writes))],
            {"first": first // (10 * JOBS_PER_BATCH), "last": last // (10 * JOBS_PER_BATCH), "newest": now()},
        )
        for start in range(first, last + 1, AT_ONCE):
            end = min(start + AT_ONCE - 1, last)
            _run(connection, statements, {"first": start, "last": end, "newest": now(), "until": last})
            yield end - first + 1
    settle_statistics(database)


def add_queued(database: Database, count: int, first: int = 2**40) -> None:
    """Insert ``count`` queued jobs of five clients in turn, numbered from ``first`` on."""
    writes = SQLITE if database.is_sqlite else POSTGRES
    statements = [
        _insert(writes, "jobs", _queued(writes)),
        _insert(writes, "job_events", _event(writes, "submitted", "NULL", "'queued'", "0", "1")),
    ]
    with _writing(database) as connection:
        values = {"first": first, "last": first + count - 1, "newest": now(), "until": first + count - 1}
        _run(connection, statements, values)
    settle_statistics(database)


def settle_statistics(database: Database) -> None:
    """Let Postgres vacuum and analyse, as autovacuum does after a while. SQLite has nothing like it."""
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


@contextmanager
def _writing(database: Database) -> Iterator[Connection]:
    """Open a connection for bulk inserts, which are not asked to survive a crash."""
    engine = create_engine(database.engine.url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            setting = "PRAGMA synchronous = OFF" if database.is_sqlite else "SET synchronous_commit = off"
            connection.exec_driver_sql(setting)
            yield connection
    finally:
        engine.dispose()


def _run(connection: Connection, statements: list[str], values: Mapping[str, object]) -> None:
    connection.exec_driver_sql("BEGIN")
    for statement in statements:
        names = [name for name in values if f":{name}" in statement]
        typed = [bindparam("newest", type_=UtcDateTime)] if "newest" in names else []
        connection.execute(text(statement).bindparams(*typed), {name: values[name] for name in names})
    connection.exec_driver_sql("COMMIT")


def _insert(writes: dict[str, str], table: str, columns: dict[str, str], where: str = "") -> str:
    condition = f" WHERE {where}" if where else ""
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) {writes['numbers']} "
        f"SELECT {', '.join(columns.values())} FROM numbers{condition}"
    )


def _json(writes: dict[str, str], content: str) -> str:
    return writes["json"].replace("{content}", content)


def _age(writes: dict[str, str], seconds: str = "0") -> str:
    """The time of job ``n``: a second after that of the job before it, and some seconds earlier."""
    return writes["ago"].format(seconds=f":until - n + 30 + {seconds}")


def _job(writes: dict[str, str]) -> dict[str, str]:
    """Columns that all jobs have."""
    return {
        "id": writes["job_id"].format(n="n"),
        "created_at": _age(writes, "20"),
        "available_at": _age(writes, "20"),
        "file_name": "'recording-' || n || '.wav'",
        "file_key": writes["key"].format(n="n"),
        "file_bytes": "128044",
        "file_sha256": f"{writes['key'].format(n='n')} || {writes['key'].format(n='n')}",
        "model": "'hi-ctc-base'",
        "transcript": "true",
        "waveform": "true",
        "client": f"'client-' || (n % {TENANTS})",
        "priority": "1",
        "turn": "n * 128044",
        "max_attempts": "3",
        "cancel_requested": "false",
    }


def _finished(writes: dict[str, str]) -> dict[str, str]:
    batch = writes["batch_id"].format(n=f"n / {10 * JOBS_PER_BATCH}")
    return _job(writes) | {
        "status": STATUS,
        "started_at": _age(writes, "10"),
        "finished_at": _age(writes),
        "tenant": TENANT,
        "batch_id": f"CASE WHEN n % 10 = 0 THEN {batch} END",
        "idempotency_key": "CASE WHEN n % 3 = 0 THEN 'key-' || n END",
        "progress": "1.0",
        "chunks_done": f"CASE WHEN {IS_SUCCESS} THEN 1 ELSE 0 END",
        "attempt": "1",
        "audio_seconds": f"CASE WHEN {IS_SUCCESS} THEN 4.0 END",
        "audio_sample_rate": "16000",
        "audio_channels": "1",
        "speech_seconds": "3.0",
        "stage_seconds": _json(writes, '{"decode": 0.01, "infer": 0.05}'),
        "warnings": _json(writes, "[]"),
        "error_code": f"CASE WHEN {FAILED} THEN 'audio_unreadable' END",
        "error_message": f"CASE WHEN {FAILED} THEN 'The file holds no audio.' END",
    }


def _queued(writes: dict[str, str]) -> dict[str, str]:
    return _job(writes) | {"status": "'queued'", "tenant": TENANT, "progress": "0.0", "attempt": "0"}


def _events(writes: dict[str, str]) -> list[dict[str, str]]:
    """The three events of a finished job."""
    return [
        _event(writes, "submitted", "NULL", "'queued'", "0", "20"),
        _event(writes, "claimed", "'queued'", "'running'", "1", "10"),
        _event(writes, None, "'running'", STATUS, "1", "0"),
    ]


def _event(
    writes: dict[str, str], name: str | None, before: str, after: str, attempt: str, seconds: str
) -> dict[str, str]:
    return {
        "job_id": writes["job_id"].format(n="n"),
        "at": _age(writes, seconds),
        "event": STATUS if name is None else f"'{name}'",
        "from_status": before,
        "to_status": after,
        "attempt": attempt,
    }


def _segment(writes: dict[str, str]) -> dict[str, str]:
    words = '[{"text": "नमस्ते", "start": 0.5, "end": 3.5, "confidence": 0.9}]'
    return {
        "job_id": writes["job_id"].format(n="n"),
        "position": "0",
        "start_seconds": "0.5",
        "end_seconds": "3.5",
        "text": "'नमस्ते'",
        "confidence": "0.9",
        "words": _json(writes, words),
    }


def _waveform(writes: dict[str, str]) -> dict[str, str]:
    return {
        "job_id": writes["job_id"].format(n="n"),
        "png": writes["bytes"].format(size=64),
        "peaks": _json(writes, "{}"),
    }


def _batch(writes: dict[str, str]) -> dict[str, str]:
    return {
        "id": writes["batch_id"].format(n="n"),
        "created_at": writes["ago"].format(seconds="86400"),
        "finished_at": writes["ago"].format(seconds="3600"),
        "name": "'batch-' || n",
        "jobs": str(JOBS_PER_BATCH),
        "digest": writes["key"].format(n="n"),
        "skipped": _json(writes, "[]"),
    }


def _delivery(writes: dict[str, str]) -> dict[str, str]:
    return {
        "id": writes["delivery_id"].format(n="n"),
        "tenant": TENANT,
        "job_id": writes["job_id"].format(n="n"),
        "type": "'job.succeeded'",
        "url": "'https://receiver.example/hook'",
        "host": "'receiver.example'",
        "body": writes["bytes"].format(size=100),
        "created_at": _age(writes),
        "status": "'delivered'",
        "tries_left": "9",
        "due_at": _age(writes),
        "finished_at": _age(writes),
    }


def _try(writes: dict[str, str]) -> dict[str, str]:
    return {
        "delivery_id": writes["delivery_id"].format(n="n"),
        "at": _age(writes),
        "status": "200",
        "seconds": "0.1",
    }
