"""``shrutlekh admin show``."""

import json
from typing import Annotated, Any

import typer
from shrutlekh.commands.options import DataFolder
from shrutlekh.tables import Column, console, fitted, print_details

from ops.admin.documents import event_document, job_document
from ops.admin.opening import opened
from ops.admin.selection import AsJson, parsed
from shared.jobs import count_segments, events_of, get_job, queue_position

TRAIL = (
    Column("when"),
    Column("what"),
    Column("state"),
    Column("attempt", rank=1, right=True),
    Column("code", least=12),
)


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
        document["file"]["path"] = installation.files.place(job.file_key)
        document["file"]["kept"] = installation.files.exists(job.file_key)
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
    print_details({name: None if value is None else str(value) for name, value in rows.items()})
    trail = [
        (
            event["at"],
            event["event"],
            f"{event['from'] or '(new)'} → {event['to']}",
            str(event["attempt"]),
            event["code"] or "",
        )
        for event in job["events"]
    ]
    out = console()
    out.print()
    out.print(fitted(TRAIL, trail, out.width))
