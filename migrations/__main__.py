"""``python -m migrations``: upgrade the configured database to the newest schema."""

import argparse
import sys

from alembic.util import CommandError

from migrations.schema import alembic_config, upgrade_configured
from shared.database import Database
from shared.settings import Settings


def main() -> None:
    """Upgrade the database, or write a new migration."""
    parser = argparse.ArgumentParser(prog="python -m migrations", description=__doc__)
    parser.add_argument(
        "--new",
        metavar="TITLE",
        help="instead, generate a migration with this title from the changes in shared/jobs/tables.py",
    )
    parser.add_argument(
        "--to", metavar="REVISION", default="head", help="revision to upgrade to (default: the newest)"
    )
    arguments = parser.parse_args()
    settings = Settings()
    if arguments.new is None:
        try:
            upgrade_configured(settings, arguments.to)
        except CommandError as error:
            sys.exit(str(error))
        return
    from alembic import command

    database = Database(settings.database)
    with database.write() as session:
        command.revision(alembic_config(session.connection()), arguments.new, autogenerate=True)


if __name__ == "__main__":
    main()
