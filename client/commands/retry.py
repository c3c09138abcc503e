"""``shrutlekh retry``."""

from typing import Annotated

import typer

from client.commands.options import Url


def retry(
    job_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Jobs.", show_default=False)],
    url: Url = "http://127.0.0.1:8000",
) -> None:
    """Try jobs again that failed or were cancelled."""
    from client.errors import ApiError
    from client.http import ShrutlekhClient

    failed = False
    with ShrutlekhClient(url) as client:
        for job_id in job_ids:
            try:
                job = client.retry(job_id)
            except ApiError as error:
                typer.echo(f"{job_id}: {error}", err=True)
                failed = True
            else:
                typer.echo(f"{job_id}: {job.status}")
    if failed:
        raise typer.Exit(1)
