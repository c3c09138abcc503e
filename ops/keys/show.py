"""``shrutlekh keys show``."""

import json
from typing import Annotated

import typer
from shrutlekh.commands.options import DataFolder
from shrutlekh.tables import print_details

from ops.admin.opening import opened
from ops.keys.documents import key_document, limits_of, state_of
from ops.keys.selection import AsJson, key_named
from shared.clock import now
from shared.jobs import usage_of


def show(
    key: Annotated[
        str, typer.Argument(metavar="PREFIX|NAME", help="The key, as in `keys list`.", show_default=False)
    ],
    as_json: AsJson = False,
    data: DataFolder = None,
) -> None:
    """Show a key and what its tenant uses."""
    moment = now()
    with opened(data) as installation, installation.database.read() as session:
        found = key_named(session, key)
        usage = usage_of(session, found.tenant, moment)
    document = key_document(found, moment)
    if as_json:
        document["usage"] = {"jobs_waiting": usage.waiting, "audio_hours_today": usage.audio_seconds / 3600}
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    print_details(
        {
            "key": found.prefix,
            "name": found.name,
            "state": state_of(found, moment),
            "scopes": ", ".join(found.scopes),
            "tenant": found.tenant,
            "created": document["created_at"],
            "expires": document["expires_at"] or "never",
            "revoked": document["revoked_at"],
            "own limits": limits_of(found) or "none",
            "jobs waiting": f"{usage.waiting:,}",
            "audio today": f"{usage.audio_seconds / 3600:.2f} h (UTC)",
        }
    )
