"""``shrutlekh admin drain``."""

import time
from typing import Annotated

import typer
from rich.console import Console
from shrutlekh.commands.options import DataFolder

from ops.admin.opening import opened
from ops.installation import Installation
from shared import draining
from shared.jobs import count_running

LOOK_SECONDS = 1.0
LOOKS = 2  # a worker that checked just before the drain began may still start a job
EPILOG = """Examples:

shrutlekh admin drain --wait

shrutlekh admin drain --off

Recordings can still be submitted and wait in the queue. The drain survives restarts, until --off."""


def drain(
    off: Annotated[bool, typer.Option("--off", help="Let workers take jobs again.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until no job is under way.")] = False,
    data: DataFolder = None,
) -> None:
    """Tell all workers to finish their jobs and take no more."""
    if off and wait:
        raise typer.BadParameter("--wait cannot be combined with --off.")
    with opened(data) as installation:
        with installation.database.read() as session:
            was_on = draining.is_draining(session)
        draining.end(installation.database) if off else draining.begin(installation.database)
        if off:
            typer.echo(
                f"Workers take jobs again, within {installation.settings.sweep_seconds:g} seconds."
                if was_on
                else "Workers were not told to stop taking jobs."
            )
            return
        running = _running(installation)
        typer.echo(f"Workers take no more jobs. {running} under way.")
        if wait:
            _wait(installation)
            typer.echo("No job is under way.")


def _running(installation: Installation) -> int:
    with installation.database.read() as session:
        return count_running(session)


def _wait(installation: Installation) -> None:
    quiet = 0
    with Console(stderr=True).status("Waiting") as spinner:
        while True:
            running = _running(installation)
            quiet = quiet + 1 if running == 0 else 0
            if quiet > LOOKS:
                return
            spinner.update(f"{running} under way")
            time.sleep(LOOK_SECONDS)
