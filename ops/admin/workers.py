"""``shrutlekh admin workers``."""

import json
from typing import Any

import typer
from shrutlekh.commands.options import DataFolder
from shrutlekh.tables import Column, console, fitted

from ops.admin.documents import written
from ops.admin.opening import opened
from ops.admin.selection import AsJson
from ops.installation import Installation
from shared.draining import is_draining
from shared.jobs import Job, running_jobs
from shared.presence import ages

COLUMNS = (
    Column("worker", least=16),
    Column("last beat"),
    Column("job"),
    Column("done", rank=1),
    Column("attempt", rank=2),
    Column("lease until", rank=3),
)


def workers(as_json: AsJson = False, data: DataFolder = None) -> None:
    """List the worker processes with their last heartbeat and current job.

    Includes dead processes that still hold a job, which is requeued when its lease runs out.
    """
    with opened(data) as installation:
        rows = _rows(installation)
        with installation.database.read() as session:
            is_told = is_draining(session)
    if as_json:
        typer.echo(json.dumps({"draining": is_told, "workers": rows}, ensure_ascii=False))
    else:
        _print(rows, is_told)


def _rows(installation: Installation) -> list[dict[str, Any]]:
    expiry = installation.settings.heartbeat_expiry
    beating = {name: age for name, age in ages(installation.redis).items() if age <= expiry}
    with installation.database.read() as session:
        held: dict[str, Job] = {}
        for job in running_jobs(session):
            held.setdefault(job.lease_owner or "", job)
    rows = []
    for name in sorted(beating.keys() | held.keys()):
        current, age = held.get(name), beating.get(name)
        rows.append(
            {
                "worker": name,
                "beat_seconds_ago": None if age is None else round(max(age, 0.0), 1),
                "job": str(current.id) if current else None,
                "progress": current.progress if current else None,
                "attempt": current.attempt if current else None,
                "lease_expires_at": written(current.lease_expires_at) if current else None,
            }
        )
    return rows


def _print(rows: list[dict[str, Any]], is_told: bool) -> None:
    at_work = sum(row["beat_seconds_ago"] is not None for row in rows)
    told = "; told to take no more jobs" if is_told else ""
    lines = []
    for row in rows:
        beat, held = row["beat_seconds_ago"], row["job"] is not None
        lines.append(
            (
                row["worker"],
                "silent" if beat is None else f"{beat:.1f} s ago",
                row["job"] or "",
                f"{row['progress']:.0%}" if held else "",
                str(row["attempt"]) if held else "",
                row["lease_expires_at"] or "",
            )
        )
    out = console()
    out.print(fitted(COLUMNS, lines, out.width, f"{at_work} at work{told}"))
