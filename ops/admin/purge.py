"""``shrutlekh admin purge``."""

from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from shrutlekh.commands.options import DataFolder
from shrutlekh.quantities import counted, size

from ops.admin.opening import opened
from ops.admin.selection import FINAL, Client, Codes, age, selected, status_option
from ops.installation import Installation
from shared.clock import now
from shared.jobs import JobStatus, Selection, erase_finished, sizes_by_status

AT_ONCE = 200
EPILOG = """Examples:

shrutlekh admin purge --older-than 30d

shrutlekh admin purge --older-than 30d --status failed --status cancelled --yes

Without --yes it only shows what it would erase. SHRUTLEKH_RETENTION_DAYS erases old jobs automatically."""


def purge(
    older_than: Annotated[
        timedelta,
        typer.Option(
            parser=age,
            metavar="AGE",
            help="Jobs that ended at least this long ago: 12h, 30d, 8w; 0s for all that ended.",
            show_default=False,
        ),
    ],
    status: Annotated[
        list[JobStatus] | None,
        status_option(FINAL, "Jobs in this state. Give it again for more.", "all of them"),
    ] = None,
    code: Codes = None,
    client: Client = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Erase the jobs.")] = False,
    data: DataFolder = None,
) -> None:
    """Erase finished jobs for good, with their recordings, words and pictures."""
    chosen = selected(status or FINAL, code, older_than, client, now())
    with opened(data) as installation:
        with installation.database.read() as session:
            rows = sizes_by_status(session, chosen)
        total = sum(row.jobs for row in rows)
        for row in rows:
            typer.echo(f"{row.status.value}: {counted(row.jobs, 'job')}, recordings of {size(row.bytes)}")
        if total == 0:
            typer.echo("Nothing to erase.")
        elif yes:
            typer.echo(f"{counted(_erase(installation, chosen, total), 'job')} erased.")
        else:
            typer.echo(f"{counted(total, 'job')} would be erased. Do it with --yes.")


def _erase(installation: Installation, chosen: Selection, total: int) -> int:
    """Erase in batches, like retention. Jobs that end meanwhile are too young to be selected."""
    errors = Console(stderr=True)
    erased = 0
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("Erasing", total=total)
        while count := erase_finished(installation.database, installation.files, chosen, AT_ONCE):
            erased += count
            progress.advance(task, count)
    return erased
