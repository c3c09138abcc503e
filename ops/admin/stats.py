"""``shrutlekh admin stats``."""

import json
from datetime import timedelta
from typing import Any

import typer
from rich.table import Table
from shrutlekh.commands.options import DataFolder
from shrutlekh.quantities import size, span
from shrutlekh.tables import console

from ops.admin.documents import written
from ops.admin.opening import opened
from ops.admin.selection import AsJson
from ops.installation import Installation
from shared.clock import now
from shared.draining import draining_since
from shared.jobs import count_due, totals

LATELY = timedelta(days=1)


def stats(as_json: AsJson = False, data: DataFolder = None) -> None:
    """Show statistics: jobs by state and error code, hours of audio, age of the queue."""
    with opened(data) as installation:
        document = _document(installation)
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False))
    else:
        _print(document)


def _document(installation: Installation) -> dict[str, Any]:
    with installation.database.read() as session:
        figures = totals(session, now() - LATELY)
        due = count_due(session)
        drained_since = draining_since(session)
    return {
        "jobs": {status.value: count for status, count in figures.by_status.items()},
        "failed_by_code": figures.failed_by_code,
        "audio_hours": round(figures.audio_seconds / 3600, 3),
        "last_day": {
            "succeeded": figures.lately_succeeded,
            "audio_hours": round(figures.lately_audio_seconds / 3600, 3),
        },
        "recording_bytes": figures.file_bytes,
        "queue": {
            "due": due.jobs,
            "oldest_seconds": 0.0 if due.oldest is None else round(due.oldest.total_seconds(), 1),
        },
        "draining_since": written(drained_since),
    }


def _print(document: dict[str, Any]) -> None:
    queue, lately = document["queue"], document["last_day"]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    for status, count in document["jobs"].items():
        table.add_row(status, f"{count:,}")
        if status == "failed":
            for code, of_code in document["failed_by_code"].items():
                table.add_row("", f"{of_code:,} {code}")
    waits = f", the oldest for {span(queue['oldest_seconds'])}" if queue["due"] else ""
    table.add_row("queue", f"{queue['due']:,} due{waits}")
    table.add_row("audio", f"{_hours(document['audio_hours'])} transcribed")
    table.add_row("last day", f"{lately['succeeded']:,} succeeded, {_hours(lately['audio_hours'])} of audio")
    table.add_row("recordings", f"{size(document['recording_bytes'])} received for these jobs")
    if document["draining_since"]:
        table.add_row("workers", f"told to take no more jobs at {document['draining_since']}")
    console().print(table)


def _hours(hours: float) -> str:
    return f"{hours:,.1f} hours" if hours >= 1 else f"{hours * 60:.1f} minutes"
