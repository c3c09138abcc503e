"""One thing done to each of several jobs, as ``shrutlekh delete`` and ``shrutlekh retry`` do."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shrutlekh.client import ShrutlekhClient

JobIds = Annotated[list[str], typer.Argument(metavar="ID...", help="Jobs.", show_default=False)]


def for_each(url: str, job_ids: Sequence[str], act: "Callable[[ShrutlekhClient, str], str]") -> None:
    """Print what ``act`` says of each job. One that the service refuses does not hold up the others.

    Raises:
        typer.Exit: at the end, with status 1, if any was refused.
    """
    from shrutlekh.client import ShrutlekhClient
    from shrutlekh.errors import ApiError

    failed = False
    with ShrutlekhClient(url) as client:
        for job_id in job_ids:
            try:
                said = act(client, job_id)
            except ApiError as error:
                typer.echo(f"{job_id}: {error}", err=True)
                failed = True
            else:
                typer.echo(f"{job_id}: {said}")
    if failed:
        raise typer.Exit(1)
