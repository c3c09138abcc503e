"""``shrutlekh keys list``."""

import json

import typer
from shrutlekh.commands.options import DataFolder
from shrutlekh.tables import Column, console, fitted

from ops.admin.opening import opened
from ops.keys.documents import day_of, key_document, limits_of, state_of
from ops.keys.selection import AsJson
from shared.clock import now
from shared.keys import all_keys

EPILOG = """Examples:

shrutlekh keys list

shrutlekh keys list --json | jq -r '.keys[] | select(.state == "valid") | .name'"""

COLUMNS = (
    Column("key"),
    Column("name", least=12),
    Column("state"),
    Column("scopes", least=11, rank=2),
    Column("tenant", rank=4),
    Column("created", rank=3),
    Column("expires", rank=1),
    Column("revoked", rank=5),
    Column("own limits", least=12, rank=6),
)


def list_keys(as_json: AsJson = False, data: DataFolder = None) -> None:
    """List the keys, oldest first, without their secrets."""
    moment = now()
    with opened(data) as installation, installation.database.read() as session:
        found = all_keys(session)
    if as_json:
        typer.echo(json.dumps({"keys": [key_document(key, moment) for key in found]}, ensure_ascii=False))
        return
    rows = [
        (
            key.prefix,
            key.name,
            state_of(key, moment),
            ", ".join(key.scopes),
            key.tenant_mark,
            day_of(key.created_at),
            day_of(key.expires_at) or "never",
            day_of(key.revoked_at),
            limits_of(key),
        )
        for key in found
    ]
    out = console()
    out.print(fitted(COLUMNS, rows, out.width, None if rows else "`shrutlekh keys create NAME` makes one."))
