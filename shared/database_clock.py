"""The database's clock, as SQL: what is due and which lease has run out is decided by this one clock.

The clocks of the machines of a service may differ. So no time that a statement compares comes from them.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Float, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from shared.orm import UtcDateTime


class DatabaseTime(FunctionElement[datetime]):
    """A time that the database reads from its clock, perhaps with a number of seconds added.

    On Postgres it is that of the beginning of the transaction, on SQLite that of the statement, to the
    millisecond.
    """

    type = UtcDateTime()
    inherit_cache = True


def database_now() -> DatabaseTime:
    """Return an expression for the present."""
    return DatabaseTime()


def from_now(length: timedelta | str) -> DatabaseTime:
    """Return an expression for a time that is ``length`` from now.

    Args:
        length: or the name of a parameter that carries its seconds.
    """
    return DatabaseTime(_seconds(length))


def _seconds(length: timedelta | str) -> BindParameter[float]:
    if isinstance(length, str):
        return bindparam(length, type_=Float())
    return bindparam(None, length.total_seconds(), type_=Float())


@compiles(DatabaseTime, "postgresql")
def _on_postgres(element: DatabaseTime, compiler: SQLCompiler, **options: Any) -> str:
    for seconds in element.clauses:
        return f"(now() + make_interval(secs => {compiler.process(seconds, **options)}))"
    return "now()"


@compiles(DatabaseTime, "sqlite")
def _on_sqlite(element: DatabaseTime, compiler: SQLCompiler, **options: Any) -> str:
    # As SQLAlchemy stores times, so that they compare as text.
    form = "'%Y-%m-%d %H:%M:%f000', 'now'"
    for seconds in element.clauses:
        return f"strftime({form}, printf('%.3f seconds', {compiler.process(seconds, **options)}))"
    return f"strftime({form})"
