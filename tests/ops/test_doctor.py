"""`shrutlekh doctor`: each finding is provoked, on real databases and a real Redis where it can be."""

import gzip
import json
import os
import re
import resource
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from shrutlekh.quantities import counted, span_in_words
from sqlalchemy import Engine, delete, event, make_url, text, update

import ops.doctor.clocks
import ops.doctor.data
import ops.doctor.exposure
import ops.doctor.machine
import shared.clock
from api.threads import Threads
from ops.cli import main
from ops.doctor import data, database, exposure, jobs, machine, messages, model, recordings, workers
from ops.doctor.checkup import checks_of
from ops.doctor.examination import examine, worst
from ops.doctor.findings import Area, Check, Finding, Verdict, ok, problem, warning
from ops.doctor.service import Service
from ops.installation import Installation
from ops.service.instance import socket_of
from shared import connection_budget, draining
from shared.database import Database
from shared.jobs import attempts
from shared.jobs.lifecycle import Event, transition
from shared.jobs.tables import Job, JobEvent
from shared.jobs.verbs import submit
from shared.keys import Scope, create_key, revoke_key
from shared.presence import WORKERS, beat
from shared.settings import Settings
from tests.conftest import MODEL, own_redis
from tests.s3_server import S3Server
from tests.shared.conftest import make_job
from tests.speech.sounds import write_model

ROOT = Path(__file__).resolve().parents[2]
OK, WARNING, PROBLEM, SKIPPED = Verdict.OK, Verdict.WARNING, Verdict.PROBLEM, Verdict.SKIPPED
NOWHERE = "postgresql+psycopg://me:hush-hush@127.0.0.1:9/db"
Make = Callable[..., Installation]


both_databases = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """SQLite where it makes no difference."""
    return str(request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url"))


@pytest.fixture
def make(settings: Settings, tmp_path: Path) -> Iterator[Make]:
    """Installations like a sound one but for the changes to its settings."""
    write_model(tmp_path / "installed" / "loudness", name="loudness")
    (tmp_path / "data").mkdir()
    own = {"models_dir": tmp_path / "installed", "default_model": "loudness"}
    made: list[Installation] = []

    def installation(**changes: object) -> Installation:
        given = {name: getattr(settings, name) for name in settings.model_fields_set}
        made.append(Installation(Settings(**(given | own | changes))))
        return made[-1]

    yield installation
    for each in made:
        each.close()


@pytest.fixture
def sound(make: Make) -> Installation:
    return make()


@pytest.fixture
def on_sqlite(sqlite_url: str) -> dict[str, object]:
    return {"database_url": sqlite_url}


def add_job(installation: Installation, content: bytes | None = b"x", **columns: object) -> Job:
    """A queued job with its file in the store, unless its content is None."""
    job = make_job(**{"model": "loudness", "file_key": uuid.uuid4().hex, **columns})
    if content is not None:
        path = installation.files.path(job.file_key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with installation.database.write() as session:
        submit(session, job)
    return job


def change(installation: Installation, job: Job, **columns: object) -> None:
    with installation.database.write() as session:
        session.execute(update(Job).where(Job.id == job.id).values(columns))


def claim(installation: Installation, lease: float = 60) -> Job:
    with installation.database.write() as session:
        job = attempts.claim(session, "w", timedelta(seconds=lease))
    assert job is not None
    return job


def fail(installation: Installation, job: Job, code: str, message: str = "It broke.") -> None:
    with installation.database.write() as session:
        found = session.get_one(Job, job.id)
        transition(session, found, Event.FAILED, error_code=code, error_message=message)


def minutes_ago(minutes: float) -> object:
    return shared.clock.now() - timedelta(minutes=minutes)


def is_advised(finding: Finding, verdict: Verdict, said: str) -> bool:
    """The verdict and words of the sentence; and something to do about it."""
    assert said in finding.sentence, finding
    assert finding.verdict is verdict, finding
    assert bool(finding.advice) == (verdict in (WARNING, PROBLEM))
    return True


@both_databases
def test_a_sound_installation(sound: Installation) -> None:
    beat(sound.redis, "machine:1:a", 10)
    done = add_job(sound)
    checks = checks_of(sound, None, ())
    results = examine(checks, sound)
    assert [result.name for result in results] == [check.name for check in checks]
    of_this_machine = {"file system", "memory", "open files", "room", "variables"}
    unsound = {result.name: result.finding for result in results if result.finding.verdict is not OK}
    assert unsound.keys() - of_this_machine <= {"password"}, unsound
    assert worst(results) is not PROBLEM
    assert sound.files.path(done.file_key).exists()


def test_every_area_and_every_need_is_known(make: Make, sqlite_url: str) -> None:
    for url in (sqlite_url, NOWHERE):
        checks = checks_of(make(database_url=url), "http://127.0.0.1:9", ())
        assert {check.area for check in checks} == set(Area)
        names = [check.name for check in checks]
        assert len(names) == len(set(names))
        for place, check in enumerate(checks):
            assert set(check.needs) <= set(names[:place]), check


def test_an_area_alone_comes_with_what_it_needs(sound: Installation) -> None:
    names = [check.name for check in checks_of(sound, None, {Area.WORKERS})]
    assert names == ["database", "schema", "redis", "workers", "draining"]


class TestExamination:
    def test_one_that_crashes_or_hangs_does_not_stop_the_others(self, sound: Installation) -> None:
        forever = threading.Event()

        def crash(_: Installation) -> Finding:
            raise ZeroDivisionError("by zero")

        def hang(_: Installation) -> Finding:
            forever.wait()
            return ok("never")

        checks = [
            Check(Area.DATA, "crash", crash),
            Check(Area.DATA, "hang", hang, seconds=0.05),
            Check(Area.DATA, "behind", lambda _: ok("fine"), needs=("hang",)),
            Check(Area.DATA, "far behind", lambda _: ok("fine"), needs=("behind",)),
            Check(Area.DATA, "fine", lambda _: ok("fine")),
        ]
        findings = [result.finding for result in examine(checks, sound)]
        forever.set()
        assert [finding.verdict for finding in findings] == [PROBLEM, PROBLEM, SKIPPED, SKIPPED, OK]
        assert "ZeroDivisionError: by zero" in findings[0].sentence
        assert "within 0.05 seconds" in findings[1].sentence
        assert findings[2].sentence == "Not known without: hang."

    @pytest.mark.parametrize(
        ("findings", "verdict"),
        [
            ([ok("")], OK),
            ([ok(""), warning("", "")], WARNING),
            ([problem("", ""), warning("", "")], PROBLEM),
            ([], OK),
        ],
    )
    def test_the_worst_decides(self, sound: Installation, findings: list[Finding], verdict: Verdict) -> None:
        checks = [Check(Area.DATA, str(index), lambda _, f=each: f) for index, each in enumerate(findings)]  # type: ignore[misc]
        assert worst(examine(checks, sound)) is verdict

    def test_numbers_for_people(self) -> None:
        assert [counted(count, "job") for count in (0, 1, 2000)] == ["0 jobs", "1 job", "2,000 jobs"]
        spans = [span_in_words(seconds) for seconds in (1.4, 119, 120, 7199, 7200, 172_800)]
        assert spans == ["1 seconds", "119 seconds", "2 minutes", "120 minutes", "2 hours", "2 days"]


class TestMachine:
    def test_python(self, sound: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
        assert machine.python_version(sound).verdict is OK
        monkeypatch.setattr(sys, "version_info", (3, 10, 9))
        assert is_advised(machine.python_version(sound), PROBLEM, "This is Python")

    def test_a_misspelt_setting_is_named(self, sound: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SHRUTLEKH_RETENTION_DAYS", "3")
        assert machine.variables(sound).verdict is OK
        monkeypatch.setenv("SHRUTLEKH_RETENTION_DAY", "3")
        finding = machine.variables(sound)
        assert is_advised(finding, WARNING, "no effect: SHRUTLEKH_RETENTION_DAY.")
        assert "did you mean SHRUTLEKH_RETENTION_DAYS?" in finding.advice

    def test_open_files(self, sound: Installation) -> None:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
        try:
            assert is_advised(machine.open_files(sound), WARNING, "only 512 files")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)

    @pytest.mark.parametrize(
        ("ceiling", "processes", "verdict"),
        [(2**20, 2, OK), (2**50, 1, WARNING), (2**31, 10_000, WARNING), (0, 1, WARNING)],
    )
    def test_memory(self, make: Make, ceiling: int, processes: int, verdict: Verdict) -> None:
        finding = machine.memory(make(worker_memory_bytes=ceiling, worker_processes=processes))
        assert finding.verdict is verdict, finding
        if verdict is WARNING:
            advised = re.search(r"(\d{3,})", finding.advice)
            assert advised
            again = make(worker_memory_bytes=int(advised[1]), worker_processes=processes)
            assert machine.memory(again).verdict is OK

    @pytest.mark.parametrize(
        ("name", "content"), [("memory.max", "1000\n"), ("memory/memory.limit_in_bytes", "1000\n")]
    )
    def test_the_memory_of_a_container(self, tmp_path: Path, name: str, content: str) -> None:
        whole = machine.memory_bytes(tmp_path)
        assert whole is not None
        assert whole > 1000
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
        assert machine.memory_bytes(tmp_path) == 1000
        (tmp_path / name).write_text("max\n")
        assert machine.memory_bytes(tmp_path) == whole


class TestData:
    def test_no_folder(self, make: Make, tmp_path: Path) -> None:
        assert is_advised(data.folder(make(data_dir=tmp_path / "no")), PROBLEM, "does not exist")
        assert not (tmp_path / "no").exists()

    def test_one_that_cannot_be_written(self, make: Make, tmp_path: Path) -> None:
        (tmp_path / "a file").touch()
        assert is_advised(data.folder(make(data_dir=tmp_path / "a file")), PROBLEM, "Nothing can be written")
        (tmp_path / "data" / "files").touch()
        assert is_advised(data.folder(make(data_dir=tmp_path / "data")), PROBLEM, "Nothing can be written")

    def test_nothing_is_left_in_it(self, sound: Installation) -> None:
        before = sorted(sound.settings.data_dir.rglob("*"))
        assert data.folder(sound).verdict is OK
        assert sorted(sound.settings.data_dir.rglob("*")) == before

    @pytest.mark.parametrize(
        ("changes", "verdict", "said"),
        [
            ({"max_upload_bytes": 1}, OK, "are free"),
            ({"max_upload_bytes": 2**60}, WARNING, "does not fit"),
            ({"disk_reserve_bytes": 2**60}, PROBLEM, "recordings are refused"),
        ],
    )
    def test_room(self, make: Make, changes: dict[str, object], verdict: Verdict, said: str) -> None:
        assert is_advised(data.room(make(**changes)), verdict, said)

    def test_inodes(self, sound: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ops.doctor.data, "FEW_FILES", 2**62)
        found = os.statvfs(sound.settings.data_dir).f_files
        assert data.room(sound).verdict is (WARNING if found else OK)

    @pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="Linux alone has it")
    def test_memory_is_no_disk(self, make: Make) -> None:
        assert is_advised(data.file_system(make(data_dir=Path("/dev/shm"))), WARNING, "tmpfs")

    @pytest.mark.parametrize(
        ("kind", "on_sqlite_", "verdict"),
        [
            ("ext4", True, OK),
            ("nfs4", True, PROBLEM),
            ("nfs4", False, WARNING),
            ("overlay", False, WARNING),
        ],
    )
    def test_file_systems(
        self,
        make: Make,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        kind: str,
        on_sqlite_: bool,
        verdict: Verdict,
    ) -> None:
        folder = tmp_path / "a disk"
        folder.mkdir()
        escaped = str(folder).replace(" ", "\\040")
        (tmp_path / "mounts").write_text(
            f"a / xfs rw 0 0\nb {escaped} vfat rw 0 0\nc {escaped} {kind} rw 0 0\n"
        )
        monkeypatch.setattr(ops.doctor.data, "MOUNTS", tmp_path / "mounts")
        changes = {"data_dir": folder, "database_url": "" if on_sqlite_ else NOWHERE}
        assert is_advised(data.file_system(make(**changes)), verdict, kind)

    def test_where_mounts_cannot_be_read(
        self, sound: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ops.doctor.data, "MOUNTS", tmp_path / "no mounts")
        assert data.file_system(sound).verdict is SKIPPED


class TestDatabase:
    @both_databases
    def test_it_answers(self, sound: Installation) -> None:
        assert is_advised(database.answers(sound), OK, " answers in ")

    def test_no_file_is_not_made(self, make: Make, tmp_path: Path) -> None:
        finding = database.answers(make(database_url="", data_dir=tmp_path / "data"))
        assert is_advised(finding, PROBLEM, "There is no database at")
        assert list((tmp_path / "data").iterdir()) == []

    def test_a_file_that_is_none(self, make: Make, tmp_path: Path) -> None:
        (tmp_path / "data" / "shrutlekh.db").write_bytes(b"no database, but long enough for one" * 99)
        finding = database.answers(make(database_url="", data_dir=tmp_path / "data"))
        assert is_advised(finding, PROBLEM, "cannot be used: file is not a database")

    def test_nobody_there_and_no_password_in_the_answer(self, make: Make) -> None:
        finding = database.answers(make(database_url=NOWHERE))
        assert is_advised(finding, PROBLEM, "postgresql+psycopg://me:***@127.0.0.1:9/db does not answer: ")
        assert "refused" in finding.sentence
        assert "hush" not in finding.sentence + finding.advice

    @pytest.mark.parametrize(
        "url", ["nonsense hush-hush", "mongodb://a:hush-hush@b/c", "mysql://a:hush-hush@b/c"]
    )
    def test_no_url(self, make: Make, url: str) -> None:
        finding = database.answers(make(database_url=url))
        assert is_advised(finding, PROBLEM, "is not the URL of a supported database")
        assert "hush" not in finding.sentence + finding.advice

    @both_databases
    @pytest.mark.parametrize(
        ("statement", "said", "advised"),
        [
            ("UPDATE alembic_version SET version_num = '0002'", "at migration 0002", "python -m migrations"),
            ("UPDATE alembic_version SET version_num = '9999'", "newer than the", "restore the backup"),
            ("DROP TABLE alembic_version", "at migration none", "python -m migrations"),
        ],
    )
    def test_another_schema(self, sound: Installation, statement: str, said: str, advised: str) -> None:
        assert database.schema(sound).verdict is OK
        with sound.database.write() as session:
            session.execute(text(statement))
        finding = database.schema(sound)
        assert is_advised(finding, PROBLEM, said)
        assert advised in finding.advice

    def test_without_its_schema_no_job_is_looked_for(self, sound: Installation) -> None:
        with sound.database.write() as session:
            session.execute(text("DROP TABLE alembic_version"))
        results = examine(checks_of(sound, None, {Area.JOBS, Area.RECORDINGS}), sound)
        skipped = {result.name for result in results if result.finding.verdict is SKIPPED}
        assert skipped == {
            "queue",
            "leases",
            "given up",
            "models of jobs",
            "workers of models",
            "orphans",
            "missing",
        }

    def test_sqlite_without_its_journal(self, make: Make, on_sqlite: dict[str, object]) -> None:
        installation = make(**on_sqlite)
        assert database.journal(installation).verdict is OK
        installation.close()
        engine: Engine = installation.database.engine

        @event.listens_for(engine, "connect")
        def _undo(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA journal_mode=DELETE")

        assert is_advised(database.journal(installation), PROBLEM, "is delete, although WAL")

    def test_connections_of_postgres(self, make: Make, postgres_url: str) -> None:
        assert database.connections(make(database_url=postgres_url, worker_processes=1)).verdict is OK
        crowded = make(database_url=postgres_url, worker_processes=33)
        assert is_advised(database.connections(crowded), WARNING, "little room")
        crowded = make(database_url=postgres_url, worker_processes=400)
        assert is_advised(database.connections(crowded), PROBLEM, "will be refused")

    def test_the_budget_of_connections(self) -> None:
        assert Threads(single_writer=False).connections == connection_budget.API
        text = (ROOT / "docs" / "several-machines.md").read_text(encoding="utf-8")
        for process, most in {
            "an API process": connection_budget.API,
            "a process of a worker": connection_budget.WORKER_PROCESS,
            "a sweeper with its courier": connection_budget.SWEEPER + connection_budget.COURIER,
            "an operator's command, a migration": connection_budget.COMMAND,
        }.items():
            assert f"| {process} | {most} |" in text

    def test_timeouts_of_postgres(self, make: Make, postgres_url: str) -> None:
        fine = database.timeouts(make(database_url=postgres_url))
        assert is_advised(fine, OK, "ends a statement after 30 s, an idle transaction after 60 s")
        none = make(database_url=postgres_url, database_statement_seconds=0)
        assert is_advised(database.timeouts(none), OK, "after no time")
        assert is_advised(
            database.timeouts(make(database_url=postgres_url, database_pooler=True)),
            WARNING,
            "keeps the locks",
        )


@pytest.mark.parametrize(("seconds", "verdict"), [(0, OK), (3, WARNING), (-60, WARNING)])
@pytest.mark.parametrize("whose", ["Redis", "Postgres"])
def test_clocks(
    make: Make,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    whose: str,
    seconds: float,
    verdict: Verdict,
) -> None:
    installation = make(database_url=postgres_url)
    real = shared.clock.now
    monkeypatch.setattr(ops.doctor.clocks, "now", lambda: real() - timedelta(seconds=seconds))
    finding = (messages if whose == "Redis" else database).clock(installation)
    assert is_advised(finding, verdict, whose)
    if seconds:
        assert ("ahead of" if seconds > 0 else "behind") in finding.sentence


class TestRedis:
    def test_it_answers(self, sound: Installation) -> None:
        assert is_advised(messages.answers(sound), OK, " answers in ")

    def test_nobody_there_and_no_password_in_the_answer(self, make: Make) -> None:
        finding = messages.answers(make(redis_url="redis://:hush-hush@127.0.0.1:9/0"))
        assert is_advised(finding, PROBLEM, "redis://127.0.0.1:9/0 does not answer")
        assert "hush" not in finding.sentence + finding.advice

    def test_no_url(self, make: Make) -> None:
        finding = messages.answers(make(redis_url="hush-hush"))
        assert is_advised(finding, PROBLEM, "is not a URL of Redis")

    def test_memory(self, make: Make) -> None:
        with own_redis() as (url, _), Redis.from_url(url) as redis:
            installation = make(redis_url=url)
            assert messages.policy(installation).verdict is OK
            redis.config_set("maxmemory-policy", "allkeys-lru")
            assert is_advised(messages.policy(installation), WARNING, "allkeys-lru")
            redis.config_set("maxmemory", 2**30)
            assert is_advised(messages.policy(installation), PROBLEM, "forgets messages")
            redis.config_set("maxmemory-policy", "noeviction")
            assert messages.policy(installation).verdict is OK
            redis.config_set("maxmemory", int(redis.info("memory")["used_memory"] * 1.05))
            assert is_advised(messages.policy(installation), PROBLEM, "soon it will refuse")

    def test_one_that_went_away(self, make: Make) -> None:
        with own_redis() as (url, _):
            installation = make(redis_url=url)
            assert messages.answers(installation).verdict is OK
        results = examine(checks_of(installation, None, {Area.REDIS, Area.WORKERS}), installation)
        found = {result.name: result.finding.verdict for result in results}
        assert found["redis"] is PROBLEM
        assert found["memory policy"] is found["redis clock"] is found["workers"] is SKIPPED


class TestWorkers:
    def test_nobody_beats(self, sound: Installation) -> None:
        assert is_advised(workers.present(sound), PROBLEM, "No worker has a heartbeat")
        sound.redis.zadd(WORKERS, {"machine:1:a": time.time() - 7300})
        assert is_advised(workers.present(sound), PROBLEM, "The last heartbeat was 2 hours ago.")

    def test_those_that_beat(self, sound: Installation) -> None:
        for name in ("one:1:a", "one:2:b", "two:1:c"):
            beat(sound.redis, name, 10)
        assert is_advised(workers.present(sound), OK, "3 worker processes on 2 machines")
        sound.redis.zadd(WORKERS, {"one:1:a": time.time() - 8})
        assert is_advised(workers.present(sound), WARNING, "though one is due every 2 s")

    def test_draining(self, sound: Installation) -> None:
        assert workers.draining(sound).verdict is OK
        draining.begin(sound.database)
        assert is_advised(workers.draining(sound), WARNING, "to take no more jobs")


class TestModel:
    def test_none(self, make: Make) -> None:
        installation = make(default_model="gone")
        assert is_advised(model.installed(installation), PROBLEM, "Installed: loudness")

    def test_a_card_alone(self, make: Make, models_dir: Path) -> None:
        installation = make(models_dir=models_dir, default_model=MODEL)
        assert is_advised(model.installed(installation), PROBLEM, "cannot be used")

    def test_a_changed_and_a_missing_file(self, sound: Installation) -> None:
        assert model.whole(sound).verdict is OK
        graph = sound.settings.models_dir / "loudness" / "model.onnx"
        graph.write_bytes(graph.read_bytes() + b"x")
        assert is_advised(model.whole(sound), PROBLEM, "model.onnx of the model loudness is not the file")
        graph.unlink()
        assert is_advised(model.whole(sound), PROBLEM, "has no model.onnx")

    def test_without_hashes(self, make: Make, tmp_path: Path) -> None:
        write_model(tmp_path / "installed" / "bare", name="bare", files=None)
        assert is_advised(model.whole(make(default_model="bare")), WARNING, "lists no files")

    def test_beam_search(self, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert model.decoder(make()).verdict is OK
        folder = write_model(tmp_path / "installed" / "beam", name="beam", decoding={"decoder": "beam"})
        installation = make(default_model="beam")
        assert is_advised(model.decoder(installation), PROBLEM, "has no language model")
        (folder / "lm").mkdir()
        with gzip.open(folder / "lm" / "words.arpa.gz", "wb") as file:
            file.write(b"")
        for module in ("flashlight.lib.text.decoder", "flashlight.lib.text.decoder.kenlm"):
            monkeypatch.setitem(sys.modules, module, None)
        assert is_advised(model.decoder(installation), WARNING, "words are decoded greedily")

    def test_the_shipped_model(self, make: Make) -> None:
        installation = make(models_dir=ROOT / "models", default_model="hi-ctc-base")
        assert model.installed(installation).verdict is OK
        assert model.decoder(installation).verdict is OK

    def test_a_broken_other(self, sound: Installation) -> None:
        assert is_advised(model.others(sound), OK, "1 model installed")
        (write_model(sound.settings.models_dir / "other") / "tokens.txt").unlink()
        assert is_advised(model.others(sound), WARNING, "Not all installed models can be used.")


@both_databases
class TestJobs:
    def test_none_waits(self, sound: Installation) -> None:
        assert is_advised(jobs.waiting(sound), OK, "No job waits")

    def test_jobs_that_no_message_reaches(self, sound: Installation) -> None:
        beat(sound.redis, "machine:1:a", 10)
        job = add_job(sound)
        assert is_advised(jobs.waiting(sound), OK, "1 job due")
        change(sound, job, available_at=minutes_ago(2))
        finding = jobs.waiting(sound)
        assert is_advised(finding, PROBLEM, "no message reaches them")
        assert "worker.sweeper" in finding.advice
        claim(sound)
        change(sound, add_job(sound), available_at=minutes_ago(2))
        assert jobs.waiting(sound).verdict is OK  # the worker is at work
        beat(sound.redis, "machine:2:b", 10)
        assert jobs.waiting(sound).verdict is OK  # one was taken a moment ago: the queue moves

    def test_workers_that_are_busy_for_long(self, sound: Installation) -> None:
        beat(sound.redis, "machine:1:a", 10)
        add_job(sound)
        claim(sound)
        change(sound, add_job(sound), available_at=minutes_ago(2))
        with sound.database.write() as session:
            session.execute(update(JobEvent).values(at=minutes_ago(3)))
        assert jobs.waiting(sound).verdict is OK
        beat(sound.redis, "machine:2:b", 10)
        assert jobs.waiting(sound).verdict is PROBLEM

    def test_while_workers_drain(self, sound: Installation) -> None:
        beat(sound.redis, "machine:1:a", 10)
        change(sound, add_job(sound), available_at=minutes_ago(2))
        draining.begin(sound.database)
        assert is_advised(jobs.waiting(sound), OK, "Workers are draining")

    def test_nobody_is_there(self, sound: Installation) -> None:
        add_job(sound)
        assert is_advised(jobs.waiting(sound), PROBLEM, "nobody takes them")

    def test_a_long_queue(self, sound: Installation) -> None:
        beat(sound.redis, "machine:1:a", 10)
        add_job(sound)
        claim(sound)
        change(sound, add_job(sound), available_at=minutes_ago(20))
        assert is_advised(jobs.waiting(sound), WARNING, "the oldest for 20 minutes")

    def test_a_pause_before_an_attempt_is_no_wait(self, sound: Installation) -> None:
        change(sound, add_job(sound), available_at=minutes_ago(-5))
        assert is_advised(jobs.waiting(sound), OK, "No job waits")

    @pytest.mark.parametrize(("lease", "verdict"), [(60, OK), (-5, OK), (-60, PROBLEM)])
    def test_leases(self, sound: Installation, lease: float, verdict: Verdict) -> None:
        add_job(sound)
        claim(sound, lease)
        assert is_advised(jobs.leases(sound), verdict, "lease")

    def test_jobs_given_up(self, sound: Installation) -> None:
        fail(sound, add_job(sound), "audio_unreadable")
        old = add_job(sound)
        fail(sound, old, "attempts_exhausted")
        change(sound, old, finished_at=minutes_ago(25 * 60))
        assert jobs.given_up(sound).verdict is OK
        fail(sound, add_job(sound), "attempts_exhausted", "It fell silent.")
        finding = jobs.given_up(sound)
        assert is_advised(finding, WARNING, "1 job given up within a day")
        assert "It fell silent." in finding.sentence

    def test_models_that_are_gone(self, sound: Installation) -> None:
        add_job(sound)
        assert jobs.models(sound).verdict is OK
        add_job(sound, model="gone")
        assert is_advised(jobs.models(sound), PROBLEM, "1 job for gone")

    def test_models_that_no_worker_takes(self, sound: Installation) -> None:
        sound.redis.flushall()
        add_job(sound)
        add_job(sound, model="large")
        assert jobs.unserved(sound).verdict is OK  # no worker at all is the finding of another check
        beat(sound.redis, "w", 60, models=["loudness"])
        assert is_advised(jobs.unserved(sound), PROBLEM, "1 job for large.")
        beat(sound.redis, "v", 60)
        assert jobs.unserved(sound).verdict is OK


@both_databases
class TestRecordings:
    def test_files_without_a_job(self, sound: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recordings, "AT_ONCE", 2)
        for _ in range(5):
            add_job(sound)
        paths = [sound.files.path(uuid.uuid4().hex) for _ in range(3)]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * 2**20)
        for path in [*sound.files.root.rglob("*")]:
            os.utime(path, (0, 0))
        young = paths.pop()
        os.utime(young)
        assert is_advised(
            recordings.orphans(sound), WARNING, "2 files without a job among 7 old files, 2.0 MiB"
        )
        assert all(path.exists() for path in paths)  # nothing is removed
        for path in paths:
            path.unlink()
        assert recordings.orphans(sound).verdict is OK

    def test_jobs_without_a_file(self, sound: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recordings, "AT_ONCE", 2)
        for code in ("audio_unreadable", "file_missing"):
            fail(sound, add_job(sound, None), code)
        for _ in range(5):
            add_job(sound)
        assert is_advised(recordings.missing(sound), OK, "among 5 jobs")
        fail(sound, add_job(sound, None), "attempts_exhausted")
        assert is_advised(recordings.missing(sound), WARNING, "1 finished job")
        walk = recordings.kept_files

        def erase_meanwhile(database: Database, at_once: int) -> Iterator[tuple[uuid.UUID, str]]:
            """A job that is erased between the look at its row and the look at its file."""
            erased = add_job(sound, None)
            yield from list(walk(database, at_once))
            with database.write() as session:
                session.execute(delete(Job).where(Job.id == erased.id))

        with monkeypatch.context() as patch:
            patch.setattr(recordings, "kept_files", erase_meanwhile)
            assert is_advised(recordings.missing(sound), WARNING, "1 finished job")
        gone = add_job(sound, None)
        finding = recordings.missing(sound)
        assert is_advised(finding, PROBLEM, str(gone.id))
        assert str(sound.settings.data_dir.resolve()) in finding.advice


class TestExposure:
    @pytest.mark.parametrize(
        ("host", "said"),
        [
            ("127.0.0.1", None),
            ("::1", None),
            ("localhost", None),
            ("0.0.0.0", "every address"),
            ("::", "every address"),
            ("192.168.1.5", "192.168.1.5"),
            ("8.8.8.8", "the whole internet"),
            ("transcribe.example", "transcribe.example"),
        ],
    )
    def test_addresses(
        self, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str, said: str | None
    ) -> None:
        monkeypatch.setattr(ops.doctor.exposure, "CONTAINER_MARKS", (tmp_path / "no mark",))
        finding = exposure.address(make(host=host, require_keys="never"))
        assert is_advised(finding, OK if said is None else WARNING, said or "this machine alone")

    def test_in_a_container(self, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(ops.doctor.exposure, "CONTAINER_MARKS", (tmp_path,))
        assert is_advised(
            exposure.address(make(host="0.0.0.0", require_keys="never")), OK, "of its container"
        )

    @pytest.mark.parametrize(
        ("changes", "verdict", "said"),
        [
            ({"host": "0.0.0.0"}, OK, "requires API keys"),
            ({"host": "0.0.0.0", "published_host": "127.0.0.1"}, OK, "this machine alone"),
            ({"host": "0.0.0.0", "published_host": "10.0.0.1"}, OK, "10.0.0.1 and requires API keys"),
            ({"host": "0.0.0.0", "published_host": "10.0.0.1", "require_keys": "never"}, WARNING, "10.0.0.1"),
        ],
    )
    def test_where_keys_are_required(
        self,
        make: Make,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        changes: dict[str, object],
        verdict: Verdict,
        said: str,
    ) -> None:
        monkeypatch.setattr(ops.doctor.exposure, "CONTAINER_MARKS", (tmp_path,))
        assert is_advised(exposure.address(make(**changes)), verdict, said)

    def test_keys(self, make: Make) -> None:
        assert is_advised(exposure.keys(make()), OK, "0 valid API keys")
        required = make(require_keys="always")
        assert is_advised(exposure.keys(required), WARNING, "there is none")
        with required.database.write() as session:
            revoke_key(session, create_key(session, "gone", [Scope.READ]).key)
        assert is_advised(exposure.keys(required), WARNING, "there is none")
        with required.database.write() as session:
            create_key(session, "a", [Scope.READ])
        assert is_advised(exposure.keys(required), OK, "1 valid API key.")
        with required.database.write() as session:
            soon = create_key(
                session, "b", [Scope.READ], expires_at=shared.clock.now() + timedelta(days=3)
            ).key
        assert is_advised(exposure.keys(required), WARNING, f"{soon.prefix} (b) on 20")

    def test_origins(self, make: Make) -> None:
        assert exposure.origins(make()).verdict is OK
        assert is_advised(exposure.origins(make(cors_origins=["https://a.example"])), OK, "https://a.example")
        assert is_advised(exposure.origins(make(cors_origins=["*"])), WARNING, "Any web page")

    @pytest.mark.parametrize(
        ("password", "verdict"),
        [(":x7Gq2", OK), (":shrutlekh", WARNING), (":me", WARNING), ("", WARNING)],
    )
    def test_passwords(self, make: Make, password: str, verdict: Verdict) -> None:
        finding = exposure.password(make(database_url=f"postgresql+psycopg://me{password}@db.example/x"))
        assert finding.verdict is verdict
        if password:
            assert password[1:] not in finding.sentence

    def test_the_password_of_the_example(self, make: Make) -> None:
        example = (ROOT / ".env.example").read_text(encoding="utf-8")
        found = re.search(r"^POSTGRES_PASSWORD=(.*)$", example, re.MULTILINE)
        assert found
        url = make_url(NOWHERE).set(password=found[1]).render_as_string(hide_password=False)
        finding = exposure.password(make(database_url=url))
        assert is_advised(finding, PROBLEM, "the one of .env.example")

    def test_no_network_no_password(self, make: Make, on_sqlite: dict[str, object]) -> None:
        assert exposure.password(make(**on_sqlite)).verdict is SKIPPED


class Answers:
    """A server whose answers are set by path: status and document."""

    def __init__(self) -> None:
        self.given: dict[str, tuple[int, object]] = {
            "/healthz": (200, {"status": "ok"}),
            "/readyz": (200, {"status": "ready", "checks": {"database": {"ok": True}}}),
            "/openapi.json": (200, {"info": {"version": "0.0.0"}}),
        }
        answers = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, document = answers.given[self.path]
                content = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def answers() -> Iterator[Answers]:
    answers = Answers()
    thread = threading.Thread(target=answers.server.serve_forever)
    thread.start()
    yield answers
    answers.server.shutdown()
    thread.join()
    answers.server.server_close()


class TestService:
    def test_a_sound_one(self, sound: Installation, answers: Answers) -> None:
        from shared.version import VERSION

        service = Service(answers.url + "/")
        assert is_advised(service.alive(sound), OK, f"{answers.url} answers in")
        assert is_advised(service.ready(sound), OK, "ready: database")
        assert is_advised(service.version(sound), WARNING, "version 0.0.0")
        answers.given["/openapi.json"] = 200, {"info": {"version": VERSION}}
        assert service.version(sound).verdict is OK

    def test_not_ready(self, sound: Installation, answers: Answers) -> None:
        checks = {"database": {"ok": False, "detail": "It is away."}, "redis": {"ok": True}}
        answers.given["/readyz"] = 503, {"status": "not_ready", "checks": checks}
        assert is_advised(Service(answers.url).ready(sound), PROBLEM, "(missing: database). It is away.")

    def test_another_server(self, sound: Installation, answers: Answers) -> None:
        for answer in ((200, ["?"]), (404, {})):
            answers.given["/healthz"] = answer
            assert is_advised(Service(answers.url).alive(sound), PROBLEM, "is not Shrutlekh")

    def test_a_slow_one(self, sound: Installation, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ops.doctor.service.SLOW_SECONDS", -1.0)
        assert is_advised(
            Service(answers.url).alive(sound), WARNING, "which is slow for a request that does nothing"
        )

    def test_no_password_of_the_url_is_printed(self, sound: Installation, answers: Answers) -> None:
        service = Service(answers.url.replace("//", "//me:hush@"))
        assert is_advised(service.alive(sound), OK, answers.url)
        answers.given["/healthz"] = (401, {})
        assert is_advised(service.alive(sound), PROBLEM, answers.url)

    @pytest.mark.parametrize("url", ["http://127.0.0.1:9", "no url", "ftp://a.example", "http://[::1"])
    def test_nobody(self, sound: Installation, url: str) -> None:
        assert is_advised(Service(url).alive(sound), PROBLEM, f"No Shrutlekh answers at {url}: ")


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shrutlekh(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line with settings in the environment; gives exit status, stdout and stderr."""

    def run(settings: Settings | None, *arguments: object) -> tuple[int, str, str]:
        for name in settings.model_fields_set if settings else ():
            monkeypatch.setenv(f"SHRUTLEKH_{name.upper()}", str(getattr(settings, name)))
        monkeypatch.setattr(sys, "argv", ["shrutlekh", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


class TestCommand:
    def test_a_sound_installation(self, shrutlekh: Run, sound: Installation) -> None:
        beat(sound.redis, "machine:1:a", 10)
        code, out, _ = shrutlekh(sound.settings, "doctor")
        assert code == 0
        assert re.search(r"✓ +schema +Its schema is at migration", out)
        assert "✗" not in out
        assert re.search(r"(All is well|\d+ warnings?)", out.splitlines()[-1])

    def test_for_machines(self, shrutlekh: Run, sound: Installation) -> None:
        code, out, err = shrutlekh(sound.settings, "doctor", "--json", "--only", "workers")
        document = json.loads(out)
        assert (code, err, document["verdict"]) == (1, "", "problem")
        assert document["counts"] == {"ok": 4, "warning": 0, "problem": 1, "skipped": 0}
        found = next(each for each in document["findings"] if each["check"] == "workers")
        assert (found["area"], found["verdict"]) == ("workers", "problem")
        assert found["finding"].startswith("No worker has a heartbeat")
        assert found["advice"].startswith("Start one")

    def test_everything_away_and_no_password_printed(
        self, shrutlekh: Run, make: Make, tmp_path: Path
    ) -> None:
        away = make(
            database_url=NOWHERE, redis_url="redis://:hush-too@127.0.0.1:9/0", data_dir=tmp_path / "no"
        )
        for form in ((), ("--json",)):
            code, out, err = shrutlekh(away.settings, "doctor", *form)
            assert code == 1
            assert "hush" not in out + err
            assert "***@127.0.0.1:9" in out

    def test_a_wrong_setting_is_a_finding(
        self, shrutlekh: Run, monkeypatch: pytest.MonkeyPatch, answers: Answers
    ) -> None:
        monkeypatch.setenv("SHRUTLEKH_MAX_ATTEMPTS", "many")
        code, out, _ = shrutlekh(None, "doctor", "--url", answers.url)
        assert code == 1
        assert re.search(r"✗ +settings +A setting in the environment is wrong. SHRUTLEKH_MAX_ATTEMPTS", out)
        assert re.search(r"✓ +answers ", out)

    def test_a_service_alone(self, shrutlekh: Run, answers: Answers) -> None:
        code, out, _ = shrutlekh(None, "doctor", "--only", "service", "--url", answers.url)
        assert code == 0
        assert "MACHINE" not in out
        assert shrutlekh(None, "doctor", "--only", "service")[0] == 2

    def test_the_image_of_the_workers_is_enough(
        self, shrutlekh: Run, sound: Installation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """There the operator runs it; that image has neither the front end nor the migrations."""
        for package in ("api", "migrations", "modelkit"):
            monkeypatch.setitem(sys.modules, package, None)
        beat(sound.redis, "machine:1:a", 10)
        assert shrutlekh(sound.settings, "doctor")[0] == 0
        assert shrutlekh(sound.settings, "admin", "stats")[0] == 0

    def test_it_is_documented(self, shrutlekh: Run) -> None:
        code, out, _ = shrutlekh(None, "doctor", "--help")
        assert code == 0
        assert "Examples:" in out


class TestServe:
    """What a `shrutlekh serve` is found by: its data folder."""

    def test_its_socket(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert socket_of(tmp_path) is None
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "redis-5.sock").touch()
        assert socket_of(tmp_path) == tmp_path / "run" / "redis-5.sock"

    def test_its_socket_elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        (tmp_path / "serve.lock").write_text("77")
        (tmp_path / "shrutlekh-abc").mkdir()
        assert socket_of(tmp_path) is None
        for process in (76, 77):
            (tmp_path / "shrutlekh-abc" / f"redis-{process}.sock").touch()
        assert socket_of(tmp_path) == tmp_path / "shrutlekh-abc" / "redis-77.sock"

    def test_the_environment_goes_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from ops.installation import settings_in_force

        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "redis-5.sock").touch()
        assert settings_in_force(tmp_path).redis_url == f"unix://{tmp_path}/run/redis-5.sock"
        monkeypatch.setenv("SHRUTLEKH_REDIS_URL", "redis://b.example")
        assert settings_in_force(tmp_path).redis_url == "redis://b.example"


@both_databases
class TestBucket:
    @pytest.fixture
    def in_bucket(self, sound: Installation, s3: S3Server) -> Iterator[Installation]:
        with closing(moved(sound, s3.settings("of-the-doctor"))) as installation:
            yield installation

    def test_a_bucket_that_can_be_used(self, in_bucket: Installation, s3: S3Server) -> None:
        assert is_advised(recordings.bucket(in_bucket), OK, "can be written, read, listed and deleted from")
        assert s3.names("of-the-doctor") == []
        assert is_advised(data.room(in_bucket), OK, "scratch files")
        few = moved(in_bucket, {"max_upload_bytes": 2**60})
        assert is_advised(data.room(few), WARNING, "does not fit")

    def test_a_bucket_that_cannot(self, in_bucket: Installation) -> None:
        for wrong in ({"files_url": "s3://another"}, {"s3_endpoint": "http://127.0.0.1:1"}):
            assert is_advised(recordings.bucket(moved(in_bucket, wrong)), PROBLEM, "cannot be written")

    def test_a_folder_has_none(self, sound: Installation) -> None:
        assert recordings.bucket(sound).verdict is OK

    def test_orphans_and_missing_files_in_it(
        self, in_bucket: Installation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(recordings, "MEND_SECONDS", -7200.0)  # files of this moment count as old
        with closing(in_bucket.files.receive(100)) as upload:
            upload.write(bytes(100))
            key = upload.commit().key
        assert is_advised(recordings.orphans(in_bucket), WARNING, "1 file without a job among 1 old file")
        in_bucket.files.delete(key)
        assert recordings.orphans(in_bucket).verdict is OK
        assert recordings.missing(in_bucket).verdict is OK
        add_job(in_bucket, None)
        finding = recordings.missing(in_bucket)
        assert is_advised(finding, PROBLEM, "1 job still to be done is gone")
        assert "SHRUTLEKH_FILES_URL" in finding.advice


def moved(installation: Installation, place: dict[str, Any]) -> Installation:
    """The same installation with other settings."""
    return Installation(installation.settings.model_copy(update=place))
