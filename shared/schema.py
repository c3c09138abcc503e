"""The schema revision that this code needs, declared here because the API does not import the migrations.

``python -m shared.schema`` waits until the configured database is at that revision.
"""

import signal
import sys
import time
from typing import Final

import structlog
from sqlalchemy import inspect, text

from shared.database import Database, open_database
from shared.errors import DatabaseUnavailable
from shared.exiting import exit_fast
from shared.logs import configure_logging
from shared.settings import Settings

NEWEST: Final = "0012"
LOOK_SECONDS: Final = 1.0
QUIET_SECONDS: Final = 30.0

log = structlog.get_logger(__name__)


def revision_of(database: Database) -> str | None:
    """Return the revision that the database is at, or None before its first migration.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    with database.read() as session:
        if not inspect(session.connection()).has_table("alembic_version"):
            return None
        revision: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def wait_for_schema(database: Database, pause: float = LOOK_SECONDS) -> None:
    """Return when the database is at `NEWEST` or later. Until then log what is missing, every 30 seconds."""
    quiet_until = 0.0
    while True:
        try:
            found = revision_of(database)
        except DatabaseUnavailable as error:
            problem = error.message
        else:
            if found is not None and found >= NEWEST:  # the next version keeps what this one needs
                return
            problem = f"The database is at migration {found or 'none'}."
        if time.monotonic() >= quiet_until:
            log.info("waiting_for_schema", wanted=NEWEST, problem=problem)
            quiet_until = time.monotonic() + QUIET_SECONDS
        time.sleep(pause)


def main() -> None:
    """Wait, configured from the environment."""
    exit_fast()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the first process of a container ignores it else
    settings = Settings()
    configure_logging(settings.log_level)
    database = open_database(settings, pool_size=1)
    wait_for_schema(database)
    database.close()


if __name__ == "__main__":
    main()
