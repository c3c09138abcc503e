"""The steps of ``make compose-test``."""

import json
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import httpx
from alembic.script import ScriptDirectory

from migrations.schema import alembic_config
from shared.presence import WORKERS
from tests.compose.project import ROOT, Project
from tests.faults.recordings import Recording, make

API_IMAGE_BYTES = 250 * 10**6
READY_SECONDS = 3.0  # the aim; on a machine with other work a start may take longer
STUCK_SECONDS = 15.0
DRAIN_LOOK_SECONDS = 3
OLD_JOB = "01890000-0000-7000-8000-000000000001"
OLD_TEXT = "पुराना पाठ"
PASSWORD = "a-password-for-this-run"


class Run:
    """The steps in their order. Each leaves the stack as the next one needs it."""

    def __init__(self, project: Project, folder: Path, count: int) -> None:
        self.project = project
        self.folder = folder
        self.count = count
        self.recordings: list[Recording] = []
        self.jobs: dict[str, str] = {}  # file name to id
        self.killed: set[str] = set()  # worker processes
        newest = ScriptDirectory.from_config(alembic_config()).get_revision("head")
        self.newest, self.before = newest.revision, str(newest.down_revision)
        self.http = httpx.Client(base_url=project.url, timeout=60, trust_env=False)

    def config(self) -> str:
        """docker compose config is clean with the example's settings alone."""
        self.project.compose("config", "--quiet")
        missing = {**self.project.environment, "COMPOSE_ENV_FILES": "/dev/null"}
        refused = subprocess.run(
            ["docker", "compose", "config", "--quiet"], cwd=ROOT, env=missing, capture_output=True, text=True
        )
        assert refused.returncode, "a missing password must be refused"
        assert "POSTGRES_PASSWORD" in refused.stderr, refused.stderr
        return "refused without POSTGRES_PASSWORD"

    def build(self) -> str:
        """Build both images."""
        self.project.compose("build")
        sizes = {}
        for image in ("shrutlekh-api", "shrutlekh-worker"):
            sizes[image] = int(self.project.run("docker", "image", "inspect", "--format", "{{.Size}}", image))
            history = self.project.run("docker", "history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
            environment = self.project.run("docker", "image", "inspect", "--format", "{{.Config.Env}}", image)
            assert PASSWORD not in history + environment
        assert sizes["shrutlekh-api"] <= API_IMAGE_BYTES, sizes
        held = self.project.run(
            "docker", "run", "--rm", "shrutlekh-api", "python", "-c",
            "from importlib.util import find_spec as f;"
            " print([name for name in ('numpy', 'onnxruntime', 'librosa', 'speech') if f(name)])",
        )  # fmt: skip
        assert held.strip() == "[]", held
        return ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in sizes.items())

    def previous(self) -> str:
        """A database of the migration before, with a job and its words in it."""
        self.project.compose("up", "--detach", "--wait", "postgres")
        self.project.compose(
            "run", "--rm", "-T", "migrate", "python", "-m", "migrations", "--to", self.before
        )
        self.project.sql(
            "INSERT INTO jobs (id, status, created_at, started_at, finished_at, file_name, file_key,"
            " file_bytes, file_sha256, model, transcript, waveform, progress, attempt, max_attempts,"
            " available_at, cancel_requested, audio_seconds, audio_sample_rate, audio_channels) VALUES"
            f" ('{OLD_JOB}', 'succeeded', now(), now(), now(), 'old.wav', 'old', 1, repeat('0', 64),"
            " 'hi-ctc-base', true, false, 1, 1, 3, now(), false, 1.5, 16000, 1);"
            " INSERT INTO segments (job_id, position, start_seconds, end_seconds, text, confidence, words)"
            f" VALUES ('{OLD_JOB}', 0, 0.1, 1.2, '{OLD_TEXT}', 0.5, '[]')"
        )
        return f"revision {self.project.sql('SELECT version_num FROM alembic_version')}"

    def up(self) -> str:
        """Everything starts; the API answers soon after what it depends on."""
        self.project.compose("up", "--detach")
        self.project.wait("the API answers", lambda: self.project.ready() is not None, 60)
        answered = time.time()
        (api,) = self.project.containers("api")
        started = self.project.inspect(api, ".State.StartedAt")
        seconds = answered - datetime.fromisoformat(started[:26].rstrip("Z") + "+00:00").timestamp()
        assert seconds <= STUCK_SECONDS, f"the API took {seconds:.1f} s"
        self.project.wait("a worker is warm", lambda: bool((self.project.ready() or {}).get("ready")), 120)
        self._check_confinement()
        self._check_metrics()
        return f"API ready {seconds:.1f} s after its dependencies (aim {READY_SECONDS:.0f} s)"

    def _check_confinement(self) -> None:
        for service in ("postgres", "redis", "api", "worker", "sweeper", "live"):
            (container,) = self.project.containers(service)
            assert self.project.inspect(container, ".HostConfig.ReadonlyRootfs") == "true", service
            assert self.project.inspect(container, ".HostConfig.CapDrop") == "[ALL]", service
            user = self.project.run("docker", "exec", container, "id", "-u").strip()
            assert user != "0", service
        ports = json.loads(
            self.project.inspect(self.project.containers("api")[0], "json .NetworkSettings.Ports")
        )
        assert {port["HostIp"] for ports in ports.values() for port in ports or ()} == {"127.0.0.1"}

    def _check_metrics(self) -> None:
        """Where Prometheus would read them: it joins the same network."""
        for target, metric in (
            ("api:8000", "shrutlekh_workers 1.0"),
            ("worker:9100", "shrutlekh_jobs_ended_total"),
            ("sweeper:9101", "shrutlekh_leases_expired_total 0.0"),
            ("live:9102", "shrutlekh_live_sessions 0.0"),
        ):
            read = f"import urllib.request as r; print(r.urlopen('http://{target}/metrics').read().decode())"
            assert metric in self.project.compose("exec", "-T", "api", "python", "-c", read), target

    def upgraded(self) -> str:
        """The old job is there, in the new schema."""
        assert self.project.sql("SELECT version_num FROM alembic_version") == self.newest
        answer = self.http.get(f"/v1/jobs/{OLD_JOB}/transcript").raise_for_status().json()
        assert answer["text"] == OLD_TEXT
        return f"revision {self.newest}, the old transcript is served"

    def submit(self) -> str:
        """A folder of recordings, by the command line's own client, while the worker is frozen."""
        (worker,) = self.project.containers("worker")
        self.project.run("docker", "pause", worker)
        self.recordings = make(self.folder / "recordings", self.count, ROOT / "models" / "hi-ctc-base")
        self.project.run(
            sys.executable, "-m", "ops", "submit", str(self.folder / "recordings"),
            "--url", self.project.url, "--out", str(self.folder / "out"), "--no-wait",
        )  # fmt: skip
        listed = self.project.sql(f"SELECT file_name, id FROM jobs WHERE id <> '{OLD_JOB}'")
        self.jobs = dict(line.split("|") for line in listed.splitlines())
        assert len(self.jobs) == self.count
        return f"{self.count} recordings, {sum(r.seconds for r in self.recordings) / 60:.1f} min"

    def kill(self) -> str:
        """kill -9 of a worker container in the middle of a job."""
        (worker,) = self.project.containers("worker")
        running = "SELECT count(*) FROM jobs WHERE status = 'running'"

        def is_caught() -> bool:
            """A moment of work, then a look at a worker that stands still."""
            self.project.run("docker", "unpause", worker)
            self.project.run("docker", "pause", worker)
            return self.project.sql(running) != "0"

        self.project.wait("a job is running", is_caught, 60)
        self.project.run("docker", "kill", "--signal", "KILL", worker)
        self.killed = self._beating()
        hit = self.project.sql(running)
        self.project.compose("up", "--detach", "worker")
        return f"{hit} jobs were running"

    def scale(self) -> str:
        """Three workers."""
        self.project.compose("up", "--detach", "--no-recreate", "--scale", "worker=3")
        (one, *_) = workers = self.project.containers("worker")
        assert len(workers) == 3
        processes = int(float(self.project.inspect(one, ".HostConfig.NanoCpus")) / 1e9)
        wanted = 3 * processes

        def are_warm() -> bool:
            beating = self._beating()
            return len(beating) == wanted and not beating & self.killed

        self.project.wait("all are warm", are_warm, 180)
        return f"{wanted} processes warm"

    def _beating(self) -> set[str]:
        names = self.project.compose("exec", "-T", "redis", "redis-cli", "ZRANGE", WORKERS, "0", "-1")
        return set(names.split())

    def finish(self) -> str:
        """Every job ends once, with the words that it should have."""
        open_jobs = "SELECT count(*) FROM jobs WHERE status IN ('queued', 'running')"
        self.project.wait("all jobs have ended", lambda: self.project.sql(open_jobs) == "0", 900)
        self._check_words()
        twice = self.project.sql(
            "SELECT count(*) FROM (SELECT job_id FROM job_events WHERE to_status = 'succeeded'"
            " GROUP BY job_id HAVING count(*) > 1) doubled"
        )
        assert twice == "0"
        again = self.project.sql("SELECT count(*) FROM jobs WHERE attempt > 1")
        assert again != "0", "the kill hit no job"
        return f"all words right, {again} jobs took a second attempt"

    def _check_words(self) -> None:
        statuses: Counter[str] = Counter()
        for recording in self.recordings:
            job = self.http.get(f"/v1/jobs/{self.jobs[recording.path.name]}").raise_for_status().json()
            statuses[job["status"]] += 1
            answer = self.http.get(f"/v1/jobs/{job['id']}/transcript").raise_for_status().json()
            text = " ".join(segment["text"] for segment in recording.segments)
            assert answer["text"] == text, (recording.path.name, answer["text"], text)
        assert statuses == {"succeeded": len(self.recordings)}, statuses

    def doctor(self) -> str:
        """The doctor finds nothing that does not work."""
        said = self.project.compose(
            "exec", "-T", "worker", "python", "-m", "ops", "doctor", "--url", "http://api:8000", "--json"
        )
        findings = json.loads(said)["findings"]
        notable = [f"{one['verdict']}: {one['finding']}" for one in findings if one["verdict"] != "ok"]
        return "; ".join([f"{len(findings)} checks", *notable])

    def drain(self) -> str:
        """Nothing is begun while the workers drain; then a job is erased with its recording."""
        self._admin("drain", "--wait")
        content = self.recordings[0].path.read_bytes()
        job = self.http.post("/v1/jobs", files={"file": content}).raise_for_status().json()["id"]

        def status(wait: int) -> str:
            answer = self.http.get(f"/v1/jobs/{job}", params={"wait": wait}).raise_for_status()
            return str(answer.json()["status"])

        assert status(DRAIN_LOOK_SECONDS) == "queued"
        self._admin("drain", "--off")
        assert status(60) == "succeeded"
        self.http.delete(f"/v1/jobs/{job}").raise_for_status()
        assert self._stored() == self.count
        return f"a job waited {DRAIN_LOOK_SECONDS} s, then went through, and was erased with its recording"

    def _admin(self, *arguments: str) -> None:
        self.project.compose("exec", "-T", "worker", "python", "-m", "ops", "admin", *arguments)

    def _stored(self) -> int:
        """Recordings in the volume."""
        found = self.project.compose("exec", "-T", "api", "find", "/data/files", "-type", "f")
        return len(found.split())

    def backup(self) -> str:
        """deploy/backup.sh while it runs, then everything is lost."""
        said = self.project.run("deploy/backup.sh", str(self.folder / "backup"))
        self.project.remove()
        return said.strip().splitlines()[-1].split(": ")[-1]

    def restore(self) -> str:
        """deploy/restore.sh into an empty stack."""
        self.project.compose("up", "--detach", "--wait", "postgres", "redis")
        self.project.run("deploy/restore.sh", str(self.folder / "backup"))
        self.project.compose("up", "--detach")
        self.project.wait("it is ready", lambda: bool((self.project.ready() or {}).get("ready")), 180)
        self._check_words()
        first = self.recordings[0]
        sent = self.http.post("/transcribe/", files={"file": first.path.read_bytes()}, timeout=120)
        assert sent.status_code == 200, sent.text
        assert self._stored() == self.count + 1
        return "all jobs and recordings are back, a new one is transcribed"

    def down(self) -> str:
        """A stop in order, nothing left."""
        containers = {
            service: self.project.containers(service)[0] for service in ("api", "worker", "sweeper", "live")
        }
        self.project.compose("stop")
        codes = {name: self.project.inspect(at, ".State.ExitCode") for name, at in containers.items()}
        # uvicorn ends with the signal that it was told to stop by, once it has finished
        assert codes == {"api": "143", "worker": "0", "sweeper": "0", "live": "0"}, codes
        self.project.remove()
        return "API, workers and sweeper ended in order"
