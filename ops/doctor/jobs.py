"""The jobs: does the queue move, are jobs with expired leases requeued, which jobs were given up."""

from datetime import timedelta

from shrutlekh.quantities import counted, span_in_words

from ops.doctor.findings import Area, Check, Finding, ok, problem, processes, warning
from ops.installation import Installation
from shared import jobs
from shared.clock import now
from shared.draining import is_draining
from shared.errors import ModelNotInstalled
from shared.installed_models import find_model
from shared.presence import present, present_for
from shared.settings import Settings

LONG_WAIT_SECONDS = 900.0
NO_SWEEPER = (
    "Start the sweeper: `python -m worker.sweeper`, `docker compose up --detach sweeper`; if it runs, its "
    "log says what it cannot reach."
)


def waiting(installation: Installation) -> Finding:
    """Do jobs wait while workers are idle?"""
    settings = installation.settings
    patience = _patience(settings)
    with installation.database.read() as session:
        due, oldest = jobs.count_due(session)
        running = jobs.count_running(session)
        is_moving = jobs.was_claimed_within(session, patience)
        is_told = is_draining(session)
    if oldest is None:
        return ok(f"No job waits; {counted(running, 'job')} under way.")
    age = oldest.total_seconds()
    workers = len(present(installation.redis, settings.heartbeat_expiry))
    said = (
        f"{counted(due, 'job')} due, the oldest for {span_in_words(age)}; {running} under way; "
        f"{processes(workers)}"
    )
    if is_told:
        return ok(f"{said}. Workers are draining.")
    if workers == 0:
        return problem(f"{said}: nobody takes them.", "Start a worker; see the check of the workers.")
    if oldest > patience and running < workers and not is_moving:
        return problem(f"{said}: workers do nothing, for no message reaches them.", NO_SWEEPER)
    if age > LONG_WAIT_SECONDS:
        return warning(
            f"{said}.",
            "If that is too long, add workers (`docker compose up --detach --scale worker=3`); "
            "docs/operate.md says how much one worker does.",
        )
    return ok(f"{said}.")


def leases(installation: Installation) -> Finding:
    """Are jobs with expired leases requeued?"""
    with installation.database.read() as session:
        count = jobs.count_expired(session, _patience(installation.settings))
    if count == 0:
        return ok("No lease has run out unnoticed.")
    return problem(
        f"{counted(count, 'job')} with an expired lease, because the worker fell silent, and nothing "
        f"requeues {'it' if count == 1 else 'them'}.",
        NO_SWEEPER,
    )


def given_up(installation: Installation) -> Finding:
    """Were jobs given up in the last day, after retryable errors?"""
    with installation.database.read() as session:
        count, last = jobs.given_up(session, now() - timedelta(days=1))
    if count == 0:
        return ok("No job was given up within a day.")
    return warning(
        f"{counted(count, 'job')} given up within a day, after the last attempt. The latest says: {last}",
        "`shrutlekh admin list --code attempts_exhausted`, then the log of the worker for one of them; when "
        "the cause is gone, `shrutlekh admin retry --code attempts_exhausted`.",
    )


def models(installation: Installation) -> Finding:
    """Do queued jobs ask for models that are not installed?"""
    with installation.database.read() as session:
        wanted = jobs.queued_models(session)
    gone = {}
    for name, count in wanted.items():
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


def unserved(installation: Installation) -> Finding:
    """Do jobs wait for models that no worker takes?"""
    expiry = installation.settings.heartbeat_expiry
    with installation.database.read() as session:
        wanted = jobs.queued_models(session)
    found = {name: present_for(installation.redis, name, expiry) for name in wanted}
    lonely = [name for name, workers in found.items() if workers.workers and not workers.serving]
    if not lonely:
        return ok("Workers take jobs of all models that queued jobs ask for.")
    said = ", ".join(f"{counted(wanted[name], 'job')} for {name}" for name in lonely)
    return problem(
        f"No worker takes these jobs, for all are pinned to other models: {said}.",
        f"Start a worker with SHRUTLEKH_WORKER_MODELS={','.join(lonely)}, or one without that setting.",
    )


def _patience(settings: Settings) -> timedelta:
    """Return the time within which the sweeper should have done its work."""
    return timedelta(seconds=3 * settings.sweep_seconds + 10)


CHECKS = (
    Check(Area.JOBS, "queue", waiting, needs=("schema", "redis")),
    Check(Area.JOBS, "leases", leases, needs=("schema",)),
    Check(Area.JOBS, "given up", given_up, needs=("schema",)),
    Check(Area.JOBS, "models of jobs", models, needs=("schema",)),
    Check(Area.JOBS, "workers of models", unserved, needs=("schema", "redis")),
)
