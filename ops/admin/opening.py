"""Open the installation described by the settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis.exceptions import RedisError
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from ops.errors import AdminFailed
from ops.installation import Installation, settings_in_force
from shared.errors import DatabaseUnavailable, ServiceError
from shared.schema import NEWEST, revision_of

DOCTOR = "`shrutlekh doctor` says more."


@contextmanager
def opened(data: Path | None) -> Iterator[Installation]:
    """Yield the installation, after checking that its database answers and has this version's schema.

    Raises:
        ClientError: the check failed, or the database or Redis went away during the block.
    """
    installation = Installation(settings_in_force(data))
    try:
        revision = revision_of(installation.database)
        if revision != NEWEST:
            raise AdminFailed(
                f"The database is at migration {revision or 'none'}, this command is for {NEWEST}. {DOCTOR}"
            )
        yield installation
    except DatabaseUnavailable as error:
        raise AdminFailed(f"{error.message} {DOCTOR} ({installation.reason(error)})") from error
    except ServiceError as error:
        raise AdminFailed(error.message) from error
    except RedisError as error:
        raise AdminFailed(f"Redis does not answer: {installation.reason(error)} {DOCTOR}") from error
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise AdminFailed(f"The database's URL cannot be used. {DOCTOR}") from error
    finally:
        installation.close()
