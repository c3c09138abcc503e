"""Changes of tables that hold many rows, made so that readers and writers need not wait.

Rules for every migration from 0011 on, which `tests/migrations/test_online.py` holds:

- An index on a table with rows is made by `create_index`, at the beginning of its migration: what comes
  before it is committed on its own.
- A new column may be NULL or has a constant default, so that Postgres does not write the table anew.
- A constraint is added NOT VALID and validated afterwards.
- The previous version goes on with the new schema: what it uses is removed a version later.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

LOCK_TIMEOUT: Final = "2s"


def create_index(
    name: str, table: str, columns: list[str], *, where: sa.TextClause | None = None, unique: bool = False
) -> None:
    """Make an index. On Postgres writers go on meanwhile, and what a broken run left behind is made anew."""
    if op.get_context().dialect.name != "postgresql":
        op.create_index(name, table, columns, unique=unique, sqlite_where=where)
        return
    with op.get_context().autocommit_block():
        # It waits for the transactions of others without holding them up.
        op.execute("SET lock_timeout = 0")
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.create_index(
            name, table, columns, unique=unique, postgresql_where=where, postgresql_concurrently=True
        )
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
