"""``shrutlekh admin list``."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from shrutlekh.commands.options import DataFolder
from shrutlekh.tables import Column, console, fitted
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

COLUMNS = (
    Column("job"),
    Column("status", least=18),
    Column("recording", least=12, rank=1),
    Column("client", least=15, rank=3),
    Column("age", rank=2, right=True),
    Column("audio", rank=4, right=True),
)


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
    rows = []
    for job in jobs:
        state = f"{job.status.value}: {job.error_code}" if job.error_code else job.status.value
        audio = "" if job.audio_seconds is None else f"{job.audio_seconds:.1f} s"
        rows.append((str(job.id), state, job.file_name, job.client, ago(job.created_at, moment), audio))
    out = console()
    out.print(fitted(COLUMNS, rows, out.width, f"{len(jobs):,} of {count:,}"))
