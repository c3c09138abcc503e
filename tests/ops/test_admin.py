"""`shrutlekh admin`, on real databases, a real Redis, real files and, where workers matter, real workers."""

import io
import json
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from redis import Redis
from rich.cells import cell_len
from shrutlekh.quantities import size, span
from sqlalchemy import func, select, text, update

import ops.admin.drain
import ops.admin.purge
from ops.admin.selection import age
from ops.cli import main
from ops.installation import Installation
from shared import draining
from shared.clock import now
from shared.jobs.attempts import claim
from shared.jobs.lifecycle import Event, transition
from shared.jobs.queries import get_job
from shared.jobs.tables import Job, JobEvent, JobStatus
from shared.jobs.verbs import submit
from shared.presence import beat
from shared.queue import QUEUE
from shared.settings import Settings
from tests.shared.conftest import make_job
from tests.speech.sounds import write_model
from tests.worker.jobs import long_recording, recording
from tests.worker.pool import Service, running, wait_until

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(settings: Settings) -> Iterator[Installation]:
    """An installation without jobs: SQLite and Postgres in turn."""
    settings.data_dir.mkdir()
    installation = Installation(settings)
    yield installation
    installation.close()


@pytest.fixture
def admin(place: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `shrutlekh admin` on the installation; gives exit status, stdout and stderr."""
    for name in place.settings.model_fields_set:
        monkeypatch.setenv(f"SHRUTLEKH_{name.upper()}", str(getattr(place.settings, name)))

    def run(*arguments: object, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["shrutlekh", "admin", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def add(
    place: Installation,
    status: str = "queued",
    *,
    code: str = "attempts_exhausted",
    hours_ago: float = 0.0,
    **columns: object,
) -> Job:
    """A job with its file, brought into the state through the life cycle, and then made old."""
    job = make_job(**{"file_key": uuid.uuid4().hex, "file_bytes": 1000, **columns})
    path = place.files.path(job.file_key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    with place.database.write() as session:
        submit(session, job)
        if status in ("running", "succeeded"):
            found = claim(session, "w", timedelta(seconds=60))
            assert found is not None
            assert found.id == job.id, "make the jobs that should run before those that wait"
            if status == "succeeded":
                transition(session, found, Event.SUCCEEDED, audio_seconds=1800.0)
        elif status == "failed":
            transition(session, job, Event.FAILED, error_code=code, error_message="It broke.")
        elif status == "cancelled":
            transition(session, job, Event.CANCELLED)
        moment = now() - timedelta(hours=hours_ago)
        aged: dict[str, object] = {"created_at": moment}
        if JobStatus(status).is_final:
            aged["finished_at"] = moment
        session.execute(update(Job).where(Job.id == job.id).values(aged))
    return job


def status_of(place: Installation, job: Job) -> str | None:
    with place.database.read() as session:
        found = session.get(Job, job.id)
        return found and found.status.value


def is_stored(place: Installation, job: Job) -> bool:
    return place.files.path(job.file_key).exists()


class TestList:
    def test_filters(self, place: Installation, admin: Run) -> None:
        done = add(place, "succeeded", hours_ago=48, client="a")
        old = add(place, "failed", hours_ago=30)
        young = add(place, "failed", code="audio_unreadable")
        waiting = add(place, hours_ago=72, client="a")

        def listed(*arguments: str) -> list[str]:
            code, out, _ = admin("list", "--json", *arguments)
            assert code == 0
            document = json.loads(out)
            assert document["count"] >= len(document["jobs"])
            return [job["id"] for job in document["jobs"]]

        assert listed() == [str(job.id) for job in (young, old, done, waiting)]
        assert listed("--status", "failed") == [str(young.id), str(old.id)]
        assert listed("--status", "failed", "--status", "queued") == [
            str(job.id) for job in (young, old, waiting)
        ]
        assert listed("--code", "attempts_exhausted") == [str(old.id)]
        assert listed("--older-than", "1d") == [str(job.id) for job in (old, done, waiting)]
        assert listed("--older-than", "1d", "--client", "a") == [str(done.id), str(waiting.id)]
        assert listed("--limit", "1") == [str(young.id)]
        assert listed("--older-than", "9999999d") == []

    def test_for_people(self, place: Installation, admin: Run) -> None:
        job = add(place, "failed", hours_ago=50, file_name="[bold]ग.wav")
        add(place)
        code, out, _ = admin("list", "--limit", 1, "--status", "failed")
        assert code == 0
        row = next(line for line in out.splitlines() if str(job.id) in line)
        assert "failed: attempts_exhausted" in row
        assert "[bold]ग.wav" in row
        assert "2 d" in row
        assert "1 of 1" in out

    def test_at_80_columns(self, place: Installation, admin: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        job = add(place, "failed", file_name="a name that is long " * 5 + "end.wav", client="somebody else")
        lines = admin("list")[1].splitlines()
        assert all(cell_len(line.rstrip()) <= 80 for line in lines)
        (row,) = (line for line in lines if str(job.id) in line)
        assert re.search(r"│ failed: a…xhausted +│ a name .*….*\.wav +│ +\d+ s", row)
        for command in (("show", job.id), ("workers",), ("stats",)):
            lines = admin(*command)[1].splitlines()
            assert all(cell_len(line.rstrip()) <= 80 for line in lines if "/" not in line), lines


class TestShow:
    def test_a_running_job(self, place: Installation, admin: Run) -> None:
        job = add(place, "running")
        code, out, _ = admin("show", job.id, "--json")
        document = json.loads(out)
        assert (code, document["status"], document["lease"]["owner"]) == (0, "running", "w")
        assert document["file"]["path"] == str(place.files.path(job.file_key))
        assert document["file"]["kept"] is True
        trail = [(event["event"], event["from"], event["to"]) for event in document["events"]]
        assert trail == [("submitted", None, "queued"), ("claimed", "queued", "running")]

    def test_for_people(self, place: Installation, admin: Run) -> None:
        job = add(place, "failed")
        place.files.delete(job.file_key)
        code, out, _ = admin("show", job.id)
        assert code == 0
        assert re.search(r"error +attempts_exhausted: It broke\.", out)
        assert "(not kept)" in out
        assert re.search(r"failed +│ queued → failed", out)

    def test_none(self, admin: Run) -> None:
        code, _, err = admin("show", uuid.uuid4())
        assert (code, err) == (2, "Error: No job has this id, or it was erased.\n")
        code, _, err = admin("show", "nonsense")
        assert code == 2
        assert "is not a job id" in err


class TestRetry:
    def test_by_ids(self, place: Installation, admin: Run) -> None:
        failed, cancelled, done = add(place, "failed"), add(place, "cancelled"), add(place, "succeeded")
        gone = add(place, "failed")
        place.files.delete(gone.file_key)
        unknown = uuid.uuid4()
        for worker in ("v", "w"):
            beat(place.redis, worker, 60)
        with place.redis.pubsub() as listener:
            listener.psubscribe("shrutlekh:*")
            assert listener.get_message(timeout=5)
            code, out, err = admin("retry", failed.id, done.id, unknown, gone.id, cancelled.id)
            told = listener.get_message(timeout=5)
        assert (code, out) == (1, "2 of 5 queued again.\n")
        assert f"{done.id}: The job can't be retried now: it is succeeded. (illegal_transition)" in err
        assert "(job_not_found)" in err
        assert f"{gone.id}: The recording is no longer stored. Submit it again. (recording_gone)" in err
        assert [status_of(place, job) for job in (failed, cancelled)] == ["queued", "queued"]
        assert place.redis.llen(QUEUE) == 2  # workers are told, and who waits
        assert told
        assert told["data"] == str(failed.id).encode()
        with place.database.read() as session:
            again = get_job(session, failed.id)
        assert again.max_attempts == again.attempt + place.settings.max_attempts

    @pytest.mark.parametrize(("typed", "again"), [("n\n", False), ("", False), ("y\n", True)])
    def test_many_only_when_asked(self, place: Installation, admin: Run, typed: str, again: bool) -> None:
        jobs = [add(place, "failed") for _ in range(3)]
        other = add(place, "failed", code="audio_unreadable")
        code, _, err = admin("retry", "--code", "attempts_exhausted", typed=typed)
        assert "Retry 3 jobs?" in err
        assert code == (0 if again else 1)
        assert {status_of(place, job) for job in jobs} == {"queued" if again else "failed"}
        assert status_of(place, other) == "failed"

    def test_without_a_question(self, place: Installation, admin: Run) -> None:
        failed = [add(place, "failed", hours_ago=2) for _ in range(2)]
        young, cancelled = add(place, "failed"), add(place, "cancelled", hours_ago=2)
        assert admin("retry", "--older-than", "1h", "--yes") == (0, "2 of 2 queued again.\n", "")
        assert {status_of(place, job) for job in failed} == {"queued"}
        assert (status_of(place, young), status_of(place, cancelled)) == ("failed", "cancelled")
        assert admin("retry", "--status", "cancelled") == (0, "1 of 1 queued again.\n", "")
        assert admin("retry", "--status", "cancelled") == (0, "No such job.\n", "")

    def test_one_must_say_which(self, place: Installation, admin: Run) -> None:
        job = add(place, "failed")
        for arguments in ((), (job.id, "--status", "failed")):
            code, _, err = admin("retry", *arguments)
            assert code == 2
            assert "select jobs by id" in err
        assert status_of(place, job) == "failed"

    def test_while_redis_is_away(
        self, place: Installation, admin: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = add(place, "failed")
        monkeypatch.setenv("SHRUTLEKH_REDIS_URL", "unix:///nowhere/redis.sock")
        code, out, err = admin("retry", job.id)
        assert (code, out) == (0, "1 of 1 queued again.\n")
        assert "the sweeper will ring" in err
        assert status_of(place, job) == "queued"


class TestPurge:
    @pytest.fixture
    def jobs(self, place: Installation, monkeypatch: pytest.MonkeyPatch) -> dict[str, Job]:
        monkeypatch.setattr(ops.admin.purge, "AT_ONCE", 2)
        jobs = {"running": add(place, "running", hours_ago=99, priority=0)}
        for number in range(5):
            jobs[f"old {number}"] = add(place, "failed", hours_ago=49)
        jobs["old code"] = add(place, "failed", hours_ago=49, code="audio_too_long", client="b")
        jobs["old cancelled"] = add(place, "cancelled", hours_ago=49)
        jobs["young"] = add(place, "failed", hours_ago=47)
        jobs["queued"] = add(place, hours_ago=99)
        return jobs

    def left(self, place: Installation, jobs: dict[str, Job]) -> set[str]:
        """Those whose row is there; it and the file go together."""
        with place.database.read() as session:
            rows = set(session.scalars(select(Job.id)))
            assert set(session.scalars(select(JobEvent.job_id))) == rows
        left = {name for name, job in jobs.items() if job.id in rows}
        assert left == {name for name, job in jobs.items() if is_stored(place, job)}
        return left

    def test_it_says_first_what_it_would_erase(
        self, place: Installation, admin: Run, jobs: dict[str, Job]
    ) -> None:
        code, out, _ = admin("purge", "--older-than", "2d")
        assert code == 0
        assert "failed: 6 jobs, recordings of 5.9 KiB" in out
        assert "cancelled: 1 job," in out
        assert "7 jobs would be erased. Do it with --yes." in out
        assert self.left(place, jobs) == jobs.keys()

    def test_it_erases_them_whole(self, place: Installation, admin: Run, jobs: dict[str, Job]) -> None:
        code, out, _ = admin("purge", "--older-than", "2d", "--yes")
        assert (code, out.splitlines()[-1]) == (0, "7 jobs erased.")
        assert self.left(place, jobs) == {"young", "queued", "running"}
        assert admin("purge", "--older-than", "2d", "--yes")[1] == "Nothing to erase.\n"

    @pytest.mark.parametrize(
        ("filters", "erased"),
        [
            (("--status", "cancelled"), {"old cancelled"}),
            (("--status", "cancelled", "--status", "succeeded"), {"old cancelled"}),
            (("--code", "audio_too_long"), {"old code"}),
            (("--client", "b"), {"old code"}),
        ],
    )
    def test_only_those_meant(
        self,
        place: Installation,
        admin: Run,
        jobs: dict[str, Job],
        filters: tuple[str, ...],
        erased: set[str],
    ) -> None:
        assert admin("purge", "--older-than", "2d", "--yes", *filters)[0] == 0
        assert self.left(place, jobs) == jobs.keys() - erased

    def test_an_age_is_needed_and_a_final_state(self, place: Installation, admin: Run) -> None:
        assert admin("purge", "--yes")[0] == 2
        assert admin("purge", "--older-than", "1d", "--status", "queued")[0] == 2


def drained_since(place: Installation) -> datetime | None:
    with place.database.read() as session:
        return draining.draining_since(session)


class TestDrain:
    def test_on_and_off(self, place: Installation, admin: Run) -> None:
        add(place, "running")
        assert admin("drain") == (0, "Workers take no more jobs. 1 under way.\n", "")
        since = drained_since(place)
        assert since is not None
        assert admin("drain")[0] == 0
        assert drained_since(place) == since
        assert admin("drain", "--off") == (0, "Workers take jobs again, within 5 seconds.\n", "")
        assert drained_since(place) is None
        assert admin("drain", "--off") == (0, "Workers were not told to stop taking jobs.\n", "")
        assert admin("drain", "--off", "--wait")[0] == 2

    def test_waiting(self, place: Installation, admin: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """It waits for the job under way, and looks twice more."""
        job = add(place, "running")
        pauses: list[str | None] = []

        def end_at_the_second(_: float) -> None:
            pauses.append(status_of(place, job))
            if len(pauses) == 2:
                with place.database.write() as session:
                    transition(session, get_job(session, job.id), Event.CANCELLED)

        monkeypatch.setattr(ops.admin.drain.time, "sleep", end_at_the_second)
        code, out, _ = admin("drain", "--wait")
        assert (code, out.splitlines()[-1]) == (0, "No job is under way.")
        assert pauses == ["running", "running", "cancelled", "cancelled"]


class TestWorkers:
    def test_who_is_there_and_who_fell_silent(self, place: Installation, admin: Run) -> None:
        job = add(place, "running")
        for name in ("idle", "long gone"):
            beat(place.redis, name, 10)
        place.redis.zadd("shrutlekh:workers", {"long gone": time.time() - 60})
        code, out, _ = admin("workers", "--json")
        document = json.loads(out)
        rows = {row["worker"]: row for row in document["workers"]}
        assert (code, document["draining"], rows.keys()) == (0, False, {"idle", "w"})
        assert (rows["w"]["job"], rows["w"]["beat_seconds_ago"]) == (str(job.id), None)
        assert rows["idle"]["job"] is None
        assert 0 <= rows["idle"]["beat_seconds_ago"] < 10
        draining.begin(place.database)
        code, out, _ = admin("workers")
        assert code == 0
        assert re.search(rf"w +│ silent +│ {job.id} │ 0%", out)
        assert "1 at work; told to take no more jobs" in out

    def test_without_redis(self, admin: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SHRUTLEKH_REDIS_URL", "redis://:hush@127.0.0.1:9")
        code, _, err = admin("workers")
        assert code == 2
        assert err.startswith("Error: Redis does not answer: ")
        assert "hush" not in err


class TestStats:
    def test_numbers(self, place: Installation, admin: Run) -> None:
        add(place, "succeeded", hours_ago=25)
        add(place, "succeeded")
        for code in ("attempts_exhausted", "attempts_exhausted", "audio_unreadable"):
            add(place, "failed", code=code)
        waiting = add(place)
        with place.database.write() as session:
            moment = now() - timedelta(hours=3)
            session.execute(update(Job).where(Job.id == waiting.id).values(available_at=moment))
        code, out, _ = admin("stats", "--json")
        document = json.loads(out)
        assert code == 0
        assert document["jobs"] == {"queued": 1, "running": 0, "succeeded": 2, "failed": 3, "cancelled": 0}
        assert document["failed_by_code"] == {"attempts_exhausted": 2, "audio_unreadable": 1}
        assert document["audio_hours"] == 1.0
        assert document["last_day"] == {"succeeded": 1, "audio_hours": 0.5}
        assert document["recording_bytes"] == 6000
        assert document["queue"]["due"] == 1
        assert document["queue"]["oldest_seconds"] == pytest.approx(3 * 3600, abs=60)
        out = admin("stats")[1]
        assert re.search(r"failed +3", out)
        assert re.search(r"2 attempts_exhausted", out)
        assert re.search(r"queue +1 due, the oldest for 3 h", out)
        assert re.search(r"last day +1 succeeded, 30.0 minutes of audio", out)

    def test_of_nothing(self, admin: Run) -> None:
        document = json.loads(admin("stats", "--json")[1])
        assert document["audio_hours"] == document["recording_bytes"] == 0
        assert document["queue"] == {"due": 0, "oldest_seconds": 0.0}
        assert admin("stats")[0] == 0


class TestOpening:
    def test_another_schema_is_left_alone(self, place: Installation, admin: Run) -> None:
        with place.database.write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        code, _, err = admin("purge", "--older-than", "0s", "--yes")
        assert code == 2
        assert "The database is at migration 0001, this command is for" in err

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("", "There is no database at"),
            ("postgresql+psycopg://me:hush@127.0.0.1:9/db", "The database does not answer."),
            ("nonsense:hush", "The database's URL cannot be used."),
        ],
    )
    def test_no_database(
        self, admin: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, said: str
    ) -> None:
        monkeypatch.setenv("SHRUTLEKH_DATABASE_URL", url)
        code, _, err = admin("stats", "--data", tmp_path / "elsewhere")
        assert code == 2
        assert err.startswith(f"Error: {said}")
        assert "hush" not in err
        assert not (tmp_path / "elsewhere").exists()

    def test_a_wrong_setting(self, admin: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SHRUTLEKH_PORT", "hush")
        code, _, err = admin("stats")
        assert code == 2
        assert "SHRUTLEKH_PORT: " in err
        assert "hush" not in err

    @pytest.mark.parametrize(
        "command", [(), ("list",), ("show",), ("retry",), ("purge",), ("drain",), ("workers",), ("stats",)]
    )
    def test_help(self, admin: Run, command: tuple[str, ...]) -> None:
        code, out, _ = admin(*command, "--help")
        assert code == 0
        assert "Usage: shrutlekh admin" in out


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30s", 30), ("90min", 5400), ("2 m", 120), ("1.5h", 5400), ("7D", 604_800), ("2w", 1_209_600)],
)
def test_ages(written: str, seconds: float) -> None:
    assert age(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ["", "7", "d", "-1d", "1y", "many", "9" * 30 + "w"])
def test_what_is_no_age(written: str) -> None:
    with pytest.raises(typer.BadParameter):
        age(written)


def test_texts_for_people() -> None:
    assert [span(seconds) for seconds in (-1, 59, 60, 7199, 86_400)] == ["0 s", "59 s", "1 min", "1 h", "1 d"]
    assert [size(count) for count in (0, 1023, 1024, 3 * 2**29)] == [
        "0 bytes",
        "1023 bytes",
        "1.0 KiB",
        "1.5 GiB",
    ]


@pytest.fixture
def service(tmp_path: Path, sqlite_url: str, redis_server: str) -> Iterator[Service]:
    """A service that has no process yet, with the model that recordings can be played to."""
    write_model(tmp_path / "models" / "loudness", name="loudness")
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=sqlite_url,
        redis_url=redis_server,
        models_dir=tmp_path / "models",
        default_model="loudness",
        worker_processes=1,
        sweep_seconds=0.2,
        heartbeat_seconds=0.2,
    )
    settings.data_dir.mkdir()
    with running(settings, tmp_path) as service:
        yield service


def test_a_draining_worker_ends_its_job_and_takes_none(service: Service) -> None:
    """And it goes on when it may, though its doorbells were answered in vain."""
    service.start_worker()
    service.start("worker.sweeper")
    (first,) = service.submit([long_recording(200)])
    wait_until(lambda: service.job(first).status is JobStatus.RUNNING, service.log)
    draining.begin(service.database)
    later = service.submit([recording_of_a_word()] * 3)
    (done,) = service.wait_for_ends([first])
    assert done.status is JobStatus.SUCCEEDED
    wait_until(lambda: service.redis.llen(QUEUE) == 0, service.log)  # all messages were taken
    assert {service.job(job_id).status for job_id in later} == {JobStatus.QUEUED}
    allowed = now()
    draining.end(service.database)
    for job in service.wait_for_ends(later):
        assert job.status is JobStatus.SUCCEEDED
        assert job.started_at is not None
        assert job.started_at >= allowed
        assert job.attempt == 1
    with Redis.from_url(service.settings.redis_url) as redis, service.database.read() as session:
        assert session.scalar(select(func.count()).where(JobEvent.event == "claimed")) == 4
        assert redis.llen(QUEUE) == 0


def recording_of_a_word() -> bytes:
    from tests.speech.sounds import speak

    content: Any = recording(speak("न"))
    return bytes(content)
