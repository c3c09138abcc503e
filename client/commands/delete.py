"""``shrutlekh delete``."""

from typing import Annotated

import typer

from client.commands.options import Url


def delete(
    job_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Jobs.", show_default=False)],
    url: Url = "http://127.0.0.1:8000",
) -> None:
    """Cancel jobs that wait or run, and erase finished ones with their recordings."""
    from client.errors import ApiError
    from client.http import ShrutlekhClient

    failed = False
    with ShrutlekhClient(url) as client:
        for job_id in job_ids:
            try:
                job = client.delete(job_id)
            except ApiError as error:
                typer.echo(f"{job_id}: {error}", err=True)
                failed = True
            else:
                typer.echo(f"{job_id}: {_said(job.status if job else None)}")
    if failed:
        raise typer.Exit(1)


def _said(status: str | None) -> str:
    return {None: "erased", "cancelled": "cancelled"}.get(status, "will be cancelled")
