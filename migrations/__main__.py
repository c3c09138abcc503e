"""``python -m migrations``: bring the database of the settings to the newest schema."""

import argparse

from migrations.schema import alembic_config, upgrade
from shared.database import Database
from shared.settings import Settings


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m migrations", description=__doc__)
    parser.add_argument("--new", metavar="TEXT", help="write a migration from what the tables changed")
    parser.add_argument("--to", metavar="REVISION", default="head", help="stop at this revision")
    arguments = parser.parse_args()
    database = Database(Settings().database)
    if arguments.new is None:
        upgrade(database, arguments.to)
        return
    from alembic import command

    with database.write() as session:
        command.revision(alembic_config(session.connection()), arguments.new, autogenerate=True)


if __name__ == "__main__":
    main()
