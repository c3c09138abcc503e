"""The jobs: does the queue move, are broken attempts taken back, what was given up."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ops.doctor.findings import Area, Check, Finding, counted, length, ok, problem, processes, warning

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ops.installation import Installation
    from shared.settings import Settings

LONG_WAIT_SECONDS = 900.0
LATEST_EVENTS = 1000
NO_SWEEPER = (
    "Start the sweeper: `python -m worker.sweeper`, `docker compose up --detach sweeper`; if it runs, its "
    "log says what it cannot reach."
)


def waiting(installation: "Installation") -> Finding:
    """Are jobs left lying while workers have nothing to do?"""
    from sqlalchemy import func, select

    from shared.clock import now
    from shared.draining import is_draining
    from shared.jobs.tables import QUEUED, RUNNING, Job
    from shared.presence import present

    settings = installation.settings
    moment = now()
    late = moment - _patience(settings)
    with installation.database.read() as session:
        is_due = QUEUED, Job.available_at <= moment
        due = session.scalar(select(func.count()).select_from(Job).where(*is_due)) or 0
        running = session.scalar(select(func.count()).select_from(Job).where(RUNNING)) or 0
        oldest = session.scalar(select(func.min(Job.available_at)).where(*is_due))
        is_moving = _claimed_since(session, late)
    if oldest is None:
        return ok(f"No job waits; {counted(running, 'job')} under way.")
    age = (moment - oldest).total_seconds()
    workers = len(present(installation.redis, settings.heartbeat_expiry))
    said = (
        f"{counted(due, 'job')} due, the oldest for {length(age)}; {running} under way; {processes(workers)}"
    )
    if is_draining(settings.data_dir):
        return ok(f"{said}. Workers were told to take none.")
    if workers == 0:
        return problem(f"{said}: nobody takes them.", "Start a worker; see the check of the workers.")
    if oldest < late and running < workers and not is_moving:
        return problem(f"{said}: workers do nothing, for no message reaches them.", NO_SWEEPER)
    if age > LONG_WAIT_SECONDS:
        return warning(
            f"{said}.",
            "If that is longer than people should wait, add workers (`docker compose up --detach --scale "
            "worker=3`); docs/operations.md says how much one does.",
        )
    return ok(f"{said}.")


def leases(installation: "Installation") -> Finding:
    """Is a silent worker's job taken back?"""
    from sqlalchemy import func, select

    from shared.clock import now
    from shared.jobs.tables import RUNNING, Job

    late = now() - _patience(installation.settings)
    expired = RUNNING, Job.lease_expires_at <= late
    with installation.database.read() as session:
        count = session.scalar(select(func.count()).select_from(Job).where(*expired)) or 0
    if count == 0:
        return ok("No lease has run out unnoticed.")
    return problem(
        f"{counted(count, 'job')} whose worker fell silent and whose lease has run out, and nobody takes "
        f"{'it' if count == 1 else 'them'} back.",
        NO_SWEEPER,
    )


def given_up(installation: "Installation") -> Finding:
    """Did jobs fail in the last day for reasons of the machine?"""
    from sqlalchemy import func, select

    from shared.clock import now
    from shared.errors import ATTEMPTS_EXHAUSTED
    from shared.jobs.tables import Job, JobStatus

    given_up = (
        Job.finished_at >= now() - timedelta(days=1),
        Job.status == JobStatus.FAILED,
        Job.error_code == ATTEMPTS_EXHAUSTED,
    )
    with installation.database.read() as session:
        count = session.scalar(select(func.count()).select_from(Job).where(*given_up)) or 0
        last = session.scalar(
            select(Job.error_message).where(*given_up).order_by(Job.finished_at.desc()).limit(1)
        )
    if count == 0:
        return ok("No job was given up within a day.")
    return warning(
        f"{counted(count, 'job')} given up within a day, after the last attempt. The latest says: {last}",
        "`shrutlekh admin list --code attempts_exhausted`, then the log of the worker for one of them; when "
        "the cause is gone, `shrutlekh admin retry --code attempts_exhausted`.",
    )


def models(installation: "Installation") -> Finding:
    """Do queued jobs ask for models that are not there?"""
    from sqlalchemy import func, select

    from shared.errors import ModelNotInstalled
    from shared.installed_models import find_model
    from shared.jobs.tables import QUEUED, Job

    with installation.database.read() as session:
        wanted = session.execute(select(Job.model, func.count()).where(QUEUED).group_by(Job.model)).all()
    gone = {}
    for name, count in wanted:
        try:
            find_model(installation.settings.models_dir, name)
        except ModelNotInstalled:
            gone[name] = count
    if not gone:
        return ok("The models of all queued jobs are installed.")
    said = ", ".join(f"{counted(count, 'job')} for {name}" for name, count in gone.items())
    return problem(
        f"Jobs wait for models that are not installed, and will fail: {said}.",
        "Install the model, or let workers stop until it is (`shrutlekh admin drain`).",
    )


def _patience(settings: "Settings") -> timedelta:
    """After which the sweeper should have done what there was to do."""
    return timedelta(seconds=3 * settings.sweep_seconds + 10)


def _claimed_since(session: "Session", moment: datetime) -> bool:
    """Whether a job was taken since then, as far as the latest events tell."""
    from sqlalchemy import select

    from shared.jobs.lifecycle import Event
    from shared.jobs.tables import JobEvent

    latest = select(JobEvent.event, JobEvent.at).order_by(JobEvent.id.desc()).limit(LATEST_EVENTS).subquery()
    claimed = select(latest.c.at).where(latest.c.event == Event.CLAIMED.value, latest.c.at >= moment).limit(1)
    return session.scalar(claimed) is not None


CHECKS = (
    Check(Area.JOBS, "queue", waiting, needs=("schema", "redis")),
    Check(Area.JOBS, "leases", leases, needs=("schema",)),
    Check(Area.JOBS, "given up", given_up, needs=("schema",)),
    Check(Area.JOBS, "models of jobs", models, needs=("schema",)),
)
