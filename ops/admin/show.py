"""``shrutlekh admin show``."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from shrutlekh.commands.options import DataFolder

from ops.admin.documents import event_document, job_document
from ops.admin.opening import opened
from ops.admin.selection import AsJson, parsed
from shared.jobs import count_segments, events_of, get_job, queue_position


def show(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="A job.", show_default=False)],
    as_json: AsJson = False,
    data: DataFolder = None,
) -> None:
    """Show a job in detail: its state, lease, file and audit trail."""
    wanted = parsed(job_id)
    with opened(data) as installation, installation.database.read() as session:
        job = get_job(session, wanted)
        document = job_document(job)
        document["position"] = queue_position(session, job)
        document["segments"] = count_segments(session, wanted)
        path = installation.files.path(job.file_key)
        document["file"]["path"] = str(path)
        document["file"]["kept"] = path.is_file()
        document["events"] = [event_document(event) for event in events_of(session, wanted)]
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False))
    else:
        _print(document)


def _print(job: dict[str, Any]) -> None:
    file, error, lease = job["file"], job["error"], job["lease"]
    rows = {
        "job": job["id"],
        "status": job["status"] + (" (cancel requested)" if job["cancel_requested"] else ""),
        "error": f"{error['code']}: {error['message']}" if error else None,
        "progress": f"{job['progress']:.0%}, {job['segments']} segments saved",
        "attempt": f"{job['attempt']} of {job['max_attempts']}",
        "lease": f"{lease['owner']} until {lease['expires_at']}" if lease else None,
        "position": job["position"],
        "recording": f"{file['name']} ({file['bytes']:,} bytes)",
        "file": file["path"] + ("" if file["kept"] else " (not kept)"),
        "audio": None if job["audio_seconds"] is None else f"{job['audio_seconds']:.2f} s",
        "warnings": "\n".join(f"{one['code']}: {one['message']}" for one in job["warnings"] or ()) or None,
        "model": job["model"],
        "client": job["client"] or None,
        **{name: job[f"{name}_at"] for name in ("created", "available", "started", "finished")},
    }
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in rows.items():
        if value is not None:
            grid.add_row(name, escape(str(value)))
    trail = Table("when", "what", "state", "attempt", "code")
    for event in job["events"]:
        state = f"{event['from'] or '(new)'} → {event['to']}"
        trail.add_row(event["at"], event["event"], state, str(event["attempt"]), event["code"] or "")
    console = Console()
    console.print(grid)
    console.print(trail)
