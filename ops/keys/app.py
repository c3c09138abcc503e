"""The commands of ``shrutlekh keys`` together."""

import typer
from shrutlekh.deferred import Deferred, add_deferred

EPILOG = """Examples:

KEY=$(shrutlekh keys create newsroom --data /srv/shrutlekh)

shrutlekh keys create archive --scope read --expires 90d

shrutlekh keys create newsroom --replaces shl_1a2b3c4d

shrutlekh keys revoke shl_1a2b3c4d

docker compose exec worker python -m ops keys list

It works on the database of the settings in the environment; for a `shrutlekh serve`, --data is enough. A
running service notices new keys at once and revoked ones within 5 seconds."""

COMMANDS = (
    Deferred("create", "ops.keys.create:create", "Make a key and print it. It cannot be shown again."),
    Deferred("list", "ops.keys.listing:list_keys", "List the keys, oldest first, without their secrets."),
    Deferred("show", "ops.keys.show:show", "Show a key and what its tenant uses."),
    Deferred("revoke", "ops.keys.revoke:revoke", "Make a key invalid for good."),
)

keys = typer.Typer(
    help="Make, list and revoke the API keys of an installation.",
    no_args_is_help=True,
    add_completion=False,
    epilog=EPILOG,
)
add_deferred(keys, COMMANDS)
