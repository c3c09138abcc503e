"""The installation described by the settings, for commands that use its database, Redis and files."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import ValidationError
from redis import Redis
from sqlalchemy import make_url

from ops.errors import NoDatabase, SettingsWrong
from ops.service.instance import socket_of
from shared import connection_budget
from shared.database import Database, open_database
from shared.files import FileStore, open_store
from shared.queue import JobQueue, make_celery
from shared.redis import open_redis_without_retries
from shared.settings import Settings


def settings_in_force(data: Path | None) -> Settings:
    """Return the settings of the environment, with the Redis of a ``shrutlekh serve`` on the data folder.

    Args:
        data: data folder; overrides the environment's.

    Raises:
        SettingsWrong: a setting is not valid.
    """
    try:
        settings = Settings() if data is None else Settings(data_dir=data)
    except ValidationError as error:
        wrong = (  # without the values: one may be a password
            f"SHRUTLEKH_{str(each['loc'][0]).upper()}: {each['msg']}" if each["loc"] else each["msg"]
            for each in error.errors()
        )
        raise SettingsWrong(f"A setting in the environment is wrong. {'; '.join(wrong)}.") from None
    socket = socket_of(settings.data_dir)
    if socket is None or "redis_url" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"redis_url": f"unix://{socket}"})


@dataclass
class Installation:
    """Connections to the parts of an installation, each opened when it is first used."""

    settings: "Settings"

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file."""
        return self.settings.database.startswith("sqlite")

    @property
    def sqlite_file(self) -> Path:
        """The path of SQLite's file."""
        return Path(make_url(self.settings.database).database or "")

    @cached_property
    def database(self) -> Database:
        """The database. A SQLite file that does not exist is not created.

        Raises:
            NoDatabase: a SQLite file that does not exist.
        """
        if self.is_sqlite and not self.sqlite_file.is_file():
            raise NoDatabase(f"There is no database at {self.sqlite_file}.")
        return open_database(self.settings, connection_budget.COMMAND)

    @cached_property
    def redis(self) -> Redis:
        """Redis. Its commands fail at once while it is away."""
        return open_redis_without_retries(self.settings.redis_url)

    @cached_property
    def queue(self) -> JobQueue:
        """The sending side of the queue."""
        return JobQueue(make_celery(self.settings))

    @cached_property
    def files(self) -> FileStore:
        """The stored recordings."""
        return open_store(self.settings)

    @property
    def database_name(self) -> str:
        """The database's URL without its password, for messages."""
        return make_url(self.settings.database).set(query={}).render_as_string(hide_password=True)

    @property
    def redis_name(self) -> str:
        """The URL of Redis without its password, for messages."""
        parts = urlsplit(self.settings.redis_url)
        place = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{place}{parts.path}"

    def reason(self, error: BaseException) -> str:
        """Return the first line of an error's message or that of its cause, with passwords masked."""
        cause = getattr(error, "orig", None) or error.__cause__ or error
        cause = getattr(cause, "orig", None) or cause
        said = str(cause).strip().splitlines()
        text = said[0] if said else type(cause).__name__
        for secret in _secrets(self.settings.database_url) | _secrets(self.settings.redis_url):
            text = text.replace(secret, "***")
        return text

    def close(self) -> None:
        """Close the connections that were opened."""
        for name in ("database", "redis", "queue", "files"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()


def _secrets(url: str) -> set[str]:
    """Return the password of a URL, plain and percent-encoded, and the URL itself."""
    written = set(re.findall(r"//[^/@]*?:(.*)@", url))
    written |= set(parse_qs(urlsplit(url).query).get("password", [])) if "?" in url else set()
    found = {secret for text in written for secret in (text, unquote(text)) if secret}
    return found | {url} if found else found
