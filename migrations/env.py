"""Alembic's environment: run the migrations on the connection that :mod:`migrations.schema` passes."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

import shared.draining
import shared.jobs
import shared.keys
import shared.webhooks  # noqa: F401 - these define tables
from shared.orm import Base, UtcDateTime


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Render custom column types as SQLAlchemy's own, because migrations must outlive our classes."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=connection.dialect.name != "sqlite",
    compare_type=True,
    render_item=render_item,
)
with context.begin_transaction():
    context.run_migrations()
