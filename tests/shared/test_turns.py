from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import text

from shared.database import Database
from shared.jobs.attempts import claim, hand_back
from shared.jobs.queries import get_job
from shared.jobs.tables import Job, JobStatus, Priority

LEASE = timedelta(seconds=60)


def claims(database: Database, count: int) -> list[str]:
    """Claim the next jobs and return their clients in order."""
    clients = []
    for _ in range(count):
        with database.write() as session:
            job = claim(session, "w", LEASE)
        assert job is not None
        clients.append(job.client)
    return clients


def test_one_recording_is_not_held_up_by_thousands(
    database: Database, new_job: Callable[..., Job], new_jobs: Callable[..., list[Job]]
) -> None:
    new_jobs(1000, client="archive", file_bytes=100)
    claims(database, 10)
    new_job(client="guest", file_bytes=5000)
    assert "guest" in claims(database, 2)


def test_clients_with_many_recordings_take_turns(
    database: Database, new_jobs: Callable[..., list[Job]]
) -> None:
    new_jobs(100, client="a", file_bytes=100)
    new_jobs(50, client="b", file_bytes=100)
    new_jobs(50, client="c", file_bytes=100)
    first = claims(database, 60)
    assert all(18 <= first.count(client) <= 22 for client in "abc")
    assert claims(database, 140).count("a") == 100 - first.count("a")


def test_clients_of_one_name_take_turns_if_their_tenants_differ(
    database: Database, new_job: Callable[..., Job], new_jobs: Callable[..., list[Job]]
) -> None:
    new_jobs(100, client="archive", tenant="a", file_bytes=100)
    claims(database, 10)
    guest = new_job(client="archive", tenant="b", file_bytes=5000)
    claims(database, 2)
    with database.read() as session:
        assert get_job(session, guest.id).status is JobStatus.RUNNING


def test_long_recordings_count_for_what_they_are(
    database: Database, new_jobs: Callable[..., list[Job]]
) -> None:
    new_jobs(50, client="long", file_bytes=1000)
    new_jobs(50, client="short", file_bytes=100)
    first = claims(database, 22)
    assert 1 <= first.count("long") <= 3


def test_a_higher_priority_goes_first_always(database: Database, new_jobs: Callable[..., list[Job]]) -> None:
    new_jobs(3, client="low", priority=Priority.LOW)
    new_jobs(3, client="normal")
    new_jobs(3, client="high", priority=Priority.HIGH)
    assert claims(database, 9) == ["high"] * 3 + ["normal"] * 3 + ["low"] * 3


def test_a_job_that_came_back_keeps_its_turn(
    database: Database, new_job: Callable[..., Job], new_jobs: Callable[..., list[Job]]
) -> None:
    new_jobs(5, client="a", file_bytes=100)
    claims(database, 4)
    with database.write() as session:
        job = claim(session, "w", LEASE)
        assert job is not None
    late = new_job(client="b")  # nobody waits: virtual time is that of the running job
    assert late.turn == job.turn
    with database.write() as session:
        assert hand_back(session, job, code="worker_error", message="Bang.").turn == job.turn


def test_the_next_job_is_found_by_an_index(database: Database, new_jobs: Callable[..., list[Job]]) -> None:
    new_jobs(2000, client="a")
    queued = "FROM jobs WHERE status = 'queued'"
    queries = {
        "ix_jobs_queue": f"SELECT id {queued} ORDER BY priority, turn, id LIMIT 1",
        "ix_jobs_turns": f"SELECT turn {queued} AND client = 'b' AND priority = 1 ORDER BY turn DESC LIMIT 1",
    }
    explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
    with database.write() as session:
        session.execute(text("ANALYZE jobs"))
        for index, query in queries.items():
            plan = " ".join(str(row) for row in session.execute(text(f"{explain} {query}")))
            assert index in plan, plan


def test_equal_jobs_of_one_client_go_in_the_order_they_came(
    database: Database, new_jobs: Callable[..., list[Job]]
) -> None:
    jobs = new_jobs(5, client="a", file_bytes=0)
    order = []
    for _ in jobs:
        with database.write() as session:
            job = claim(session, "w", LEASE)
            assert job is not None
            order.append(job.id)
    assert order == [job.id for job in jobs]


def test_turns_of_a_batch_are_those_of_single_submits(
    database: Database, new_job: Callable[..., Job], new_jobs: Callable[..., list[Job]]
) -> None:
    singly = [new_job(client="one", file_bytes=size) for size in (5, 7, 11)]
    batch = new_jobs(3, client="two", file_bytes=5)
    assert [job.turn for job in singly] == [0, 5, 12]
    assert [job.turn for job in batch] == [0, 5, 10]


def test_a_client_of_two_priorities_has_two_lines(database: Database, new_job: Callable[..., Job]) -> None:
    new_job(client="a", file_bytes=100)
    assert new_job(client="a", priority=Priority.HIGH).turn == 0
