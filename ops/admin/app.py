"""The commands of ``shrutlekh admin`` together."""

import typer

from ops.admin.drain import EPILOG as DRAIN_EPILOG
from ops.admin.drain import drain
from ops.admin.listing import EPILOG as LIST_EPILOG
from ops.admin.listing import list_jobs
from ops.admin.purge import EPILOG as PURGE_EPILOG
from ops.admin.purge import purge
from ops.admin.retry import EPILOG as RETRY_EPILOG
from ops.admin.retry import retry
from ops.admin.show import show
from ops.admin.stats import stats
from ops.admin.workers import workers

EPILOG = """Examples:

shrutlekh admin stats --data /srv/shrutlekh

shrutlekh admin list --status failed --older-than 7d

docker compose exec worker python -m ops admin workers

It works on the database of the settings in the environment; for a `shrutlekh serve`, --data is enough."""

admin = typer.Typer(
    help="List, retry and erase jobs and drain the workers, for the operator of an installation.",
    no_args_is_help=True,
    epilog=EPILOG,
)
admin.command("list", epilog=LIST_EPILOG)(list_jobs)
admin.command()(show)
admin.command(epilog=RETRY_EPILOG)(retry)
admin.command(epilog=PURGE_EPILOG)(purge)
admin.command(epilog=DRAIN_EPILOG)(drain)
admin.command()(workers)
admin.command()(stats)
