"""The ``shrutlekh`` command line of the client: the commands that only speak HTTP.

``ops.cli`` adds those that run or inspect a service.
"""

import io
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from shrutlekh.deferred import Deferred, add_deferred
from shrutlekh.errors import ClientError

HELP = "Transcribe Hindi recordings on your own machines."
COMMANDS = (
    Deferred(
        "submit",
        "shrutlekh.commands.submit:submit",
        "Transcribe recordings and folders of recordings with a running service.",
    ),
    Deferred(
        "listen",
        "shrutlekh.commands.listen:listen",
        "Transcribe audio while it is recorded, with a running service.",
    ),
    Deferred("status", "shrutlekh.commands.status:status", "Show the newest jobs, or one job in detail."),
    Deferred(
        "models",
        "shrutlekh.commands.models:models",
        "List the installed models with their measured error rates.",
    ),
    Deferred(
        "delete",
        "shrutlekh.commands.delete:delete",
        "Cancel queued or running jobs; erase finished ones with their recordings.",
    ),
    Deferred("retry", "shrutlekh.commands.retry:retry", "Retry jobs that failed or were cancelled."),
)


def make_app(epilog: str, installed_version: Callable[[], str]) -> typer.Typer:
    """Make a command line with the client's commands; ``installed_version`` provides ``--version``."""
    app = typer.Typer(
        name="shrutlekh",
        help=HELP,
        epilog=epilog,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    add_deferred(app, COMMANDS)

    def print_version(wanted: bool) -> None:
        if wanted:
            typer.echo(f"shrutlekh {installed_version()}")
            raise typer.Exit

    @app.callback(help=HELP)
    def common(
        _version: Annotated[
            bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
        ] = False,
    ) -> None: ...

    return app


def run(app: typer.Typer) -> None:
    """Run a command line. Exit with status 2 if no service answers or an input does not exist."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
    try:
        app(prog_name="shrutlekh")
    except ClientError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(2)


def main() -> None:
    """Run the command line of an installation without the service."""
    epilog = "Start with `shrutlekh submit FOLDER --url http://the-service:8000`."
    run(make_app(epilog, lambda: version("shrutlekh-client")))
