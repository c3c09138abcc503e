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
        "Show all that is known of a job: its state, lease and file, and the trail of what happened to it.",
    ),
    Deferred(
        "retry",
        "ops.admin.retry:retry",
        "Try jobs again that failed or were cancelled: those named, or all that meet the filters.",
    ),
    Deferred(
        "purge",
        "ops.admin.purge:purge",
        "Erase finished jobs for good, with their recordings, words and pictures.",
    ),
    Deferred(
        "drain", "ops.admin.drain:drain", "Tell all workers to finish what they do and take no more jobs."
    ),
    Deferred(
        "workers",
        "ops.admin.workers:workers",
        "List the worker processes, how lately each has beaten, and the job it holds.",
    ),
    Deferred(
        "stats",
        "ops.admin.stats:stats",
        "Count jobs by state and error code, hours of audio, and say how old the queue is.",
    ),
)

admin = typer.Typer(
    help="List, retry and erase jobs and drain the workers, for the operator of an installation.",
    no_args_is_help=True,
    add_completion=False,
    epilog=EPILOG,
)
add_deferred(admin, COMMANDS)
