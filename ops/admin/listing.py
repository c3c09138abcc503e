"""``shrutlekh admin list``."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from shrutlekh.commands.options import DataFolder
from shrutlekh_contract.statuses import JobStatus

from ops.admin.documents import ago, job_document
from ops.admin.opening import opened
from ops.admin.selection import AsJson, Client, Codes, OlderThan, selected
from shared.clock import now
from shared.jobs import Job, count_jobs, page_of_jobs

EPILOG = """Examples:

shrutlekh admin list

shrutlekh admin list --status failed --code attempts_exhausted

shrutlekh admin list --status succeeded --older-than 30d --limit 1000 --json"""


def list_jobs(
    status: Annotated[
        list[JobStatus] | None,
        typer.Option(help="Jobs in this state. Give it again for more.", show_default=False),
    ] = None,
    code: Codes = None,
    older_than: OlderThan = None,
    client: Client = None,
    limit: Annotated[int, typer.Option(min=1, help="Jobs to list at most.")] = 50,
    as_json: AsJson = False,
    data: DataFolder = None,
) -> None:
    """List jobs, newest first."""
    moment = now()
    chosen = selected(status or (), code, older_than, client, moment)
    with opened(data) as installation, installation.database.read() as session:
        count = count_jobs(session, chosen)
        jobs = page_of_jobs(session, chosen, limit=limit).jobs
    if as_json:
        document = {"count": count, "jobs": [job_document(job) for job in jobs]}
        typer.echo(json.dumps(document, ensure_ascii=False))
    else:
        _print(jobs, count, moment)


def _print(jobs: Sequence[Job], count: int, moment: datetime) -> None:
    table = Table(caption=f"{len(jobs)} of {count}", caption_justify="left")
    for name in ("job", "status", "recording", "client", "age", "audio"):
        table.add_column(
            name,
            no_wrap=name in {"job", "age", "audio"},
            overflow="fold",
            justify="right" if name in {"age", "audio"} else "left",
        )
    for job in jobs:
        state = f"{job.status.value}: {job.error_code}" if job.error_code else job.status.value
        audio = "" if job.audio_seconds is None else f"{job.audio_seconds:.1f} s"
        cells = (str(job.id), state, job.file_name, job.client, ago(job.created_at, moment), audio)
        table.add_row(*map(escape, cells))
    Console().print(table)
