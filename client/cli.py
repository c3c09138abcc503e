"""The ``shrutlekh`` command line: registers the commands and turns foreseen errors into sentences."""

import io
import sys
from typing import Annotated

import typer

from client.commands.admin.app import admin
from client.commands.delete import delete
from client.commands.doctor import EPILOG as DOCTOR_EPILOG
from client.commands.doctor import doctor
from client.commands.models import models
from client.commands.retry import retry
from client.commands.serve import EPILOG as SERVE_EPILOG
from client.commands.serve import serve
from client.commands.status import EPILOG as STATUS_EPILOG
from client.commands.status import status
from client.commands.submit import EPILOG as SUBMIT_EPILOG
from client.commands.submit import submit
from client.commands.transcribe import EPILOG as TRANSCRIBE_EPILOG
from client.commands.transcribe import transcribe
from client.errors import ClientError

app = typer.Typer(
    name="shrutlekh",
    help="Hindi recordings to text on your own machines.",
    epilog="Begin with `shrutlekh serve`, then `shrutlekh submit FOLDER` in another terminal.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=SERVE_EPILOG)(serve)
app.command(epilog=SUBMIT_EPILOG)(submit)
app.command(epilog=STATUS_EPILOG)(status)
app.command(epilog=TRANSCRIBE_EPILOG)(transcribe)
app.command()(models)
app.command()(delete)
app.command()(retry)
app.command(epilog=DOCTOR_EPILOG)(doctor)
app.add_typer(admin, name="admin")


def _print_version(wanted: bool) -> None:
    if wanted:
        from shared.version import VERSION

        typer.echo(f"shrutlekh {VERSION}")
        raise typer.Exit


@app.callback()
def common(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hindi recordings to text on your own machines."""


def main() -> None:
    """Run the command line; exits with 2 where there is no service to talk to or no such input."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
    try:
        app(prog_name="shrutlekh")
    except ClientError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(2)
