"""Database sessions on SQLite and Postgres. Callers declare up front whether they read or write."""

import math
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVarTuple

from sqlalchemy import Connection, Engine, Row, Select, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from shared.errors import DatabaseFull, DatabaseUnavailable
from shared.settings import Settings

Columns = TypeVarTuple("Columns")

WRITES = "shrutlekh_writes"
SINGLE = "shrutlekh_single"
USED = "shrutlekh_used"
SQLITE_BUSY_SECONDS = 15.0
POSTGRES_DISK_FULL = "53100"
# How long a connection may have been idle before it is pinged. A restart of the server shows in the ping, so
# that no transaction fails because of it. To ping at each use would cost a round trip each time.
PING_AFTER_SECONDS = 1.0
# Detect within half a minute a server that disappears without closing its connections, for example behind a
# network that drops packets.
POSTGRES_CONNECTION: Final[Mapping[str, Any]] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}
# The same on the server's side, which otherwise keeps the locks of a machine that disappeared for hours.
POSTGRES_SESSION: Final[Mapping[str, int]] = {
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "idle_in_transaction_session_timeout": 60_000,
}


class Database:
    """The service's database.

    On SQLite a writer takes the write lock at BEGIN (``BEGIN IMMEDIATE``). Otherwise a transaction that reads
    first and writes later can fail halfway with "database is locked", whatever the busy timeout.
    """

    def __init__(
        self, url: str, *, pool_size: int = 5, statement_seconds: float = 0.0, pooler: bool = False
    ) -> None:
        """
        Args:
            url: SQLAlchemy URL.
            pool_size: most connections at a time.
            statement_seconds: Postgres ends longer statements; 0: none.
            pooler: whether the URL is that of a pooler in transaction mode. It may give each transaction
                another connection of the server, so nothing must be left in one.
        """
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.engine = _sqlite_engine(url, pool_size)
        else:
            self.engine = _postgres_engine(
                url, pool_size, _postgres_arguments(url, statement_seconds, pooler)
            )
        # In Postgres each statement of a READ COMMITTED transaction has a snapshot of its own. So without a
        # transaction reads see the same, and save the round trips of begin and end, a third of their time.
        self._reading = (
            self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        self._single = self._reading.execution_options(**{SINGLE: True})

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session to read. Only in SQLite do its statements share a snapshot.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        with _translated_errors(), Session(self._reading, expire_on_commit=False) as session:
            yield session

    def rows(
        self, query: Select[*Columns], parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Row[*Columns]]:
        """Run one query outside a transaction and return all of its rows.

        It costs a tenth of a session if the query is made once, at import, with ``bindparam``.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        with _translated_errors():
            try:
                return self._rows(query, parameters)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            # The server was restarted since the connection was used last. The pool now opens new ones.
            return self._rows(query, parameters)

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Open a read-only session whose queries all see the database as it was at the first of them.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        with self.read() as session:
            if not self.is_sqlite:  # a transaction of SQLite always sees one state
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session in one transaction: committed at the end of the block, rolled back if it raises.

        Raises:
            DatabaseUnavailable: the database does not answer.
            DatabaseFull: the database's disk is full.
        """
        with _translated_errors(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            session.connection(execution_options={WRITES: True})
            yield session

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Open a connection for migrations. The caller begins and ends its transactions.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        with _translated_errors(), self.engine.connect() as connection:
            yield connection

    def ping(self) -> None:
        """Raise DatabaseUnavailable unless the database answers."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _rows(self, query: Select[*Columns], parameters: Mapping[str, Any] | None) -> Sequence[Row[*Columns]]:
        with self._single.connect() as connection:
            return connection.execute(query, parameters).all()


def open_database(settings: Settings, pool_size: int) -> Database:
    """Make the service's database, with at most ``pool_size`` connections."""
    return Database(
        settings.database,
        pool_size=pool_size,
        statement_seconds=settings.database_statement_seconds,
        pooler=settings.database_pooler,
    )


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Turn the driver's outage and disk-full errors into the service's, and strip row data from the rest."""
    try:
        yield
    except (OperationalError, PoolTimeout) as error:
        if isinstance(error, OperationalError) and _is_disk_full(error):
            raise DatabaseFull("The disk of the server's database is full. Contact the operator.") from error
        raise DatabaseUnavailable("The database does not answer. Try again in a moment.") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable("The database connection was lost. Try again in a moment.") from error
        _strip_row_data(error)
        raise


def _strip_row_data(error: DBAPIError) -> None:
    """Keep only the primary message of a Postgres error.

    Postgres quotes the rejected row. Errors may be logged, and users' words must not be.
    """
    primary = getattr(getattr(error.orig, "diag", None), "message_primary", None)
    if error.orig is not None and primary is not None:
        error.args = tuple(str(part).replace(str(error.orig), primary) for part in error.args)
        error.orig.args = (primary,)


def _is_disk_full(error: OperationalError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_FULL or getattr(error.orig, "sqlstate", None) == POSTGRES_DISK_FULL


def _postgres_arguments(url: str, statement_seconds: float, pooler: bool) -> dict[str, Any]:
    """Return psycopg's arguments of a connection, beside those of the URL."""
    if pooler:
        return {**POSTGRES_CONNECTION, "prepare_threshold": None}
    session = {**POSTGRES_SESSION, "statement_timeout": round(statement_seconds * 1000)}
    options = [f"-c {name}={value}" for name, value in session.items()]
    own = make_url(url).query.get("options", ())  # these win, as they come later
    return {**POSTGRES_CONNECTION, "options": " ".join([*options, *([own] if isinstance(own, str) else own)])}


def _postgres_engine(url: str, pool_size: int, arguments: dict[str, Any]) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        connect_args=arguments,
    )

    @event.listens_for(engine, "checkin")
    def _note_use(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[USED] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _ping_if_idle(connection: Any, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
        if time.monotonic() - record.info.get(USED, math.inf) <= PING_AFTER_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error  # makes the pool open a new connection

    return engine


def _sqlite_engine(url: str, pool_size: int) -> Engine:
    path = make_url(url).database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        hide_parameters=True,  # errors are logged, and users' words must not be
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=SQLITE_BUSY_SECONDS * 2,
        connect_args={"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # stops sqlite3 from issuing BEGIN itself; _begin below does
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if SINGLE not in options:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if WRITES in options else "BEGIN")

    return engine
