"""``shrutlekh keys revoke``."""

from typing import Annotated

import typer
from shrutlekh.commands.options import DataFolder

from ops.admin.documents import written
from ops.admin.opening import opened
from ops.keys.selection import key_named
from shared.keys import revoke_key
from shared.logs import configure_logging

EPILOG = """Examples:

shrutlekh keys revoke shl_1a2b3c4d

shrutlekh keys revoke newsroom

Running services refuse the key within 5 seconds. Its jobs stay; other keys of its tenant still see them."""


def revoke(
    key: Annotated[
        str, typer.Argument(metavar="PREFIX|NAME", help="The key, as in `keys list`.", show_default=False)
    ],
    data: DataFolder = None,
) -> None:
    """Make a key invalid for good."""
    with opened(data) as installation:
        configure_logging("INFO")
        with installation.database.write() as session:
            found = key_named(session, key)
            before = found.revoked_at
            revoke_key(session, found)
    if before is None:
        typer.echo(f"{found.prefix} ({found.name}) is revoked.")
    else:
        typer.echo(f"{found.prefix} ({found.name}) was revoked at {written(before)} already.")
