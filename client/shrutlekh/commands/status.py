"""``shrutlekh status``."""

import json
import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from shrutlekh_contract.statuses import JobStatus

from shrutlekh.addresses import absolute
from shrutlekh.answers import Job
from shrutlekh.client import ShrutlekhClient
from shrutlekh.commands.options import Url
from shrutlekh.quantities import span

EPILOG = """Examples:

shrutlekh status

shrutlekh status --watch

shrutlekh status 01970c4e-... --json

Exit status: 0 success, 1 the requested job has failed, 2 wrong usage or no service."""

WATCH_SECONDS = 2.0
NEWEST = 15
COUNTED = 200


def status(
    job_id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="Job to show. Default: the newest jobs.", show_default=False),
    ] = None,
    url: Url = "http://127.0.0.1:8000",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow the job to its end, or the list until Ctrl-C.")
    ] = False,
) -> None:
    """Show the newest jobs, or one job in detail."""
    with ShrutlekhClient(url) as client:
        if job_id is None:
            _show_jobs(client, as_json, watch)
        else:
            _show_job(client, job_id, as_json, watch)


def _show_jobs(client: ShrutlekhClient, as_json: bool, watch: bool) -> None:
    if as_json:
        while True:
            counts, jobs = _counts(client), client.jobs(limit=NEWEST).jobs
            document = {"counts": counts, "jobs": [job.model_dump() for job in jobs]}
            typer.echo(json.dumps(document, ensure_ascii=False))
            if not watch:
                return
            time.sleep(WATCH_SECONDS)
    console = Console()
    if not watch:
        console.print(_table(client))
        return
    with Live(_table(client), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(WATCH_SECONDS)
            live.update(_table(client), refresh=True)


def _counts(client: ShrutlekhClient) -> dict[str, str]:
    """Count the jobs in each status; "200+" if there are more than one page of them."""
    counts = {}
    for name in JobStatus:
        page = client.jobs(status=name, limit=COUNTED)
        counts[name.value] = f"{len(page.jobs)}{'+' if page.next_cursor else ''}"
    return counts


def _table(client: ShrutlekhClient) -> Table:
    counts = ", ".join(f"{count} {name}" for name, count in _counts(client).items())
    table = Table(caption=counts, caption_justify="left")
    table.add_column("job", no_wrap=True)
    table.add_column("recording", overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column("audio", justify="right", no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True)
    for job in client.jobs(limit=NEWEST).jobs:
        state = f"{job.status} {job.progress:.0%}" if job.status == "running" else job.status
        seconds = f"{job.audio.seconds:.1f} s" if job.audio else ""
        table.add_row(job.id, escape(job.file.name), state, seconds, _age(job.created_at))
    return table


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
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
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
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, escape(value))
    Console().print(table)
