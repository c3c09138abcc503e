"""``shrutlekh status``."""

import json
import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from shrutlekh.addresses import absolute
from shrutlekh.answers import Job
from shrutlekh.api_keys import key_in
from shrutlekh.client import ShrutlekhClient
from shrutlekh.commands.job_ids import checked_id
from shrutlekh.commands.options import ApiKeyFile, Url
from shrutlekh.quantities import span
from shrutlekh.tables import Column, console, fitted, print_details

EPILOG = """Examples:

shrutlekh status

shrutlekh status --watch

shrutlekh status 01970c4e-... --json

Exit status: 0 success, 1 the requested job has failed, 2 wrong usage or no service."""

WATCH_SECONDS = 2.0
NEWEST = 15
COLUMNS = (
    Column("job"),
    Column("recording", least=16, rank=1),
    Column("status"),
    Column("audio", rank=3, right=True),
    Column("age", rank=2, right=True),
)


def status(
    job_id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="Job to show. Default: the newest jobs.", show_default=False),
    ] = None,
    url: Url = "http://127.0.0.1:8000",
    api_key_file: ApiKeyFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow the job to its end, or the list until Ctrl-C.")
    ] = False,
) -> None:
    """Show the newest jobs, or one job in detail."""
    with ShrutlekhClient(url, api_key=key_in(api_key_file)) as client:
        if job_id is None:
            _show_jobs(client, as_json, watch)
        else:
            _show_job(client, checked_id(job_id), as_json, watch)


def _show_jobs(client: ShrutlekhClient, as_json: bool, watch: bool) -> None:
    if as_json:
        while True:
            page = client.jobs(limit=NEWEST, counts=True)
            document = {"counts": page.counts, "jobs": [job.model_dump() for job in page.jobs]}
            typer.echo(json.dumps(document, ensure_ascii=False))
            if not watch:
                return
            time.sleep(WATCH_SECONDS)
    out = console()
    if not watch:
        out.print(_table(client, out.width))
        return
    with Live(_table(client, out.width), console=out, auto_refresh=False) as live:
        while True:
            time.sleep(WATCH_SECONDS)
            live.update(_table(client, out.width), refresh=True)


def _table(client: ShrutlekhClient, width: int) -> Table:
    page = client.jobs(limit=NEWEST, counts=True)
    counts = ", ".join(f"{count:,} {name}" for name, count in (page.counts or {}).items())
    rows = []
    for job in page.jobs:
        state = f"{job.status} {job.progress:.0%}" if job.status == "running" else job.status
        seconds = f"{job.audio.seconds:.1f} s" if job.audio else ""
        rows.append((job.id, job.file.name, state, seconds, _age(job.created_at)))
    return fitted(COLUMNS, rows, width, counts)


def _age(created_at: str) -> str:
    """Format the age of a job in the largest unit that fits."""
    return span((datetime.now(UTC) - datetime.fromisoformat(created_at)).total_seconds())


def _show_job(client: ShrutlekhClient, job_id: str, as_json: bool, watch: bool) -> None:
    errors = Console(stderr=True)
    if watch:
        with errors.status("queued") as spinner:
            job = client.wait_for(job_id, lambda job: spinner.update(f"{job.status} {job.progress:.0%}"))
    else:
        job = client.job(job_id)
    done = job.status == "succeeded"
    text = client.transcript(job_id)["text"] if done and job.transcript else None
    if as_json:
        typer.echo(json.dumps({**job.model_dump(), "text": text}, ensure_ascii=False))
    else:
        _print_details(client.url, job, text)
    if job.status == "failed":
        raise typer.Exit(1)


def _print_details(url: str, job: Job, text: str | None) -> None:
    rows = {
        "job": job.id,
        "recording": f"{job.file.name} ({job.file.bytes:,} bytes)",
        "status": job.status + (" (cancel requested)" if job.cancel_requested and not job.final else ""),
        "progress": f"{job.progress:.0%}",
        "position": None if job.position is None else str(job.position),
        "attempt": f"{job.attempt} of {job.max_attempts}",
        "model": job.model,
        "priority": job.priority,
        "client": job.client or None,
        "audio": f"{job.audio.seconds:.2f} s, {job.audio.sample_rate} Hz, {job.audio.channels} channel(s)"
        if job.audio
        else None,
        "processing": None if job.processing_seconds is None else f"{job.processing_seconds:.2f} s",
        "created": job.created_at,
        "started": job.started_at,
        "finished": job.finished_at,
        "error": f"{job.error.code}: {job.error.message}" if job.error else None,
        **{name: absolute(url, link) for name, link in job.links.items() if link and name != "self"},
        "text": text,
    }
    print_details(rows)
