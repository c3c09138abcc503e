"""A real Postgres, stopped at once in the middle of a job and started again."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import worker.transcribe
from migrations.schema import upgrade
from shared.database import Database
from shared.jobs.tables import Job
from speech import Progress
from tests.conftest import own_postgres, postgres_url_of
from tests.worker.jobs import after, history, long_recording, transcript
from worker.lease import Lease, Renewal
from worker.process import WorkerProcess
from worker.transcribe import answer

pytestmark = pytest.mark.stack


@pytest.fixture
def server() -> Iterator[Any]:
    """A Postgres of the test's own."""
    with own_postgres() as server:
        yield server


@pytest.fixture
def database(server: Any) -> Iterator[Database]:
    database = Database(postgres_url_of(server))
    upgrade(database)
    yield database
    database.close()


def crash(server: Any) -> threading.Thread:
    """Stop it as a crash does, and start it again in a while."""
    from pgserver._commands import pg_ctl

    pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=server.pgdata, user=server.system_user)
    restart = threading.Timer(1.0, server.ensure_postgres_running)
    restart.start()
    return restart


def test_its_crash_costs_no_work(
    server: Any, process: WorkerProcess, submit_file: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.transcribe, "SAVE_EVERY_SECONDS", 0.0)
    quiet, job = submit_file(long_recording()), submit_file(long_recording())
    answer(process)
    restarts: list[threading.Thread] = []
    keep, succeed = Lease.keep, Lease.succeed

    def crash_in_the_middle(lease: Lease, progress: Progress) -> Renewal:
        if progress.part > 0.4 and not restarts:
            restarts.append(crash(server))
        return keep(lease, progress)

    def crash_at_the_end(lease: Lease, *outcome: Any) -> bool:
        restarts[0].join()
        restarts.append(crash(server))
        return succeed(lease, *outcome)

    monkeypatch.setattr(Lease, "keep", crash_in_the_middle)
    monkeypatch.setattr(Lease, "succeed", crash_at_the_end)
    assert answer(process)
    assert len(restarts) == 2
    assert history(process, job) == [("submitted", None), ("claimed", None), ("succeeded", None)]
    assert after(process, job).attempt == 1
    assert transcript(process, job) == transcript(process, quiet)
    for restart in restarts:
        restart.join()
