"""One action on several jobs, as in ``shrutlekh delete`` and ``shrutlekh retry``."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from shrutlekh.api_keys import key_in
from shrutlekh.client import ShrutlekhClient
from shrutlekh.commands.job_ids import JobIdInvalid, checked_id
from shrutlekh.errors import ApiError

JobIds = Annotated[list[str], typer.Argument(metavar="ID...", help="Jobs.", show_default=False)]


def for_each(
    url: str, api_key_file: Path | None, job_ids: Sequence[str], act: Callable[[ShrutlekhClient, str], str]
) -> None:
    """Call ``act`` for each job and print its answer. A refused job does not stop the others.

    Raises:
        typer.Exit: at the end, with status 1, if any was refused.
    """
    failed = False
    with ShrutlekhClient(url, api_key=key_in(api_key_file)) as client:
        for job_id in job_ids:
            try:
                said = act(client, checked_id(job_id))
            except JobIdInvalid as error:
                typer.echo(str(error), err=True)
                failed = True
            except ApiError as error:
                typer.echo(f"{job_id}: {error}", err=True)
                failed = True
            else:
                typer.echo(f"{job_id}: {said}")
    if failed:
        raise typer.Exit(1)
