"""The commands of ``shrutlekh admin`` together."""

import typer
from shrutlekh.deferred import Deferred, add_deferred

EPILOG = """Examples:

shrutlekh admin stats --data /srv/shrutlekh

shrutlekh admin list --status failed --older-than 7d

docker compose exec worker python -m ops admin workers

It works on the database of the settings in the environment; for a `shrutlekh serve`, --data is enough."""

COMMANDS = (
    Deferred("list", "ops.admin.listing:list_jobs", "List jobs, newest first."),
    Deferred(
        "show",
        "ops.admin.show:show",
        "Show a job in detail: its state, lease, file and audit trail.",
    ),
    Deferred(
        "retry",
        "ops.admin.retry:retry",
        "Retry jobs that failed or were cancelled: the given ones, or all that match the filters.",
    ),
    Deferred(
        "purge",
        "ops.admin.purge:purge",
        "Erase finished jobs for good, with their recordings, words and pictures.",
    ),
    Deferred("drain", "ops.admin.drain:drain", "Tell all workers to finish their jobs and take no more."),
    Deferred(
        "workers",
        "ops.admin.workers:workers",
        "List the worker processes with their last heartbeat and current job.",
    ),
    Deferred(
        "stats",
        "ops.admin.stats:stats",
        "Show statistics: jobs by state and error code, hours of audio, age of the queue.",
    ),
)

admin = typer.Typer(
    help="List, retry and erase jobs and drain the workers, for the operator of an installation.",
    no_args_is_help=True,
    add_completion=False,
    epilog=EPILOG,
)
add_deferred(admin, COMMANDS)
