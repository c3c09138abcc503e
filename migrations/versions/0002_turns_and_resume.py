"""Add priorities, turns between clients, idempotency keys, and the progress that attempts resume from.

Uses plain SQL that both databases support. On SQLite, Alembic's batch mode would copy and drop the table, and
the drop would cascade to rows of other tables that reference it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS = {
    "client": "VARCHAR(64) NOT NULL DEFAULT ''",
    "priority": (
        "SMALLINT NOT NULL DEFAULT 1 CONSTRAINT ck_jobs_priority_known CHECK (priority BETWEEN 0 AND 2)"
    ),
    "turn": "BIGINT NOT NULL DEFAULT 0",
    "idempotency_key": "VARCHAR(255)",
    "chunks_done": "INTEGER NOT NULL DEFAULT 0 CONSTRAINT ck_jobs_chunks_counted CHECK (chunks_done >= 0)",
}
QUEUED = sa.text("status = 'queued'")


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.execute(f"ALTER TABLE jobs ADD COLUMN {name} {kind}")
    op.drop_index("ix_jobs_queue", "jobs")
    _queue_index("ix_jobs_queue", ["priority", "turn", "id"])
    _queue_index("ix_jobs_turns", ["client", "priority", "turn"])
    op.create_index("ix_jobs_finished", "jobs", ["finished_at"])
    op.create_index("uq_jobs_idempotency_key", "jobs", ["idempotency_key"], unique=True)


def downgrade() -> None:
    for index in ("uq_jobs_idempotency_key", "ix_jobs_finished", "ix_jobs_turns", "ix_jobs_queue"):
        op.drop_index(index, "jobs")
    for name in reversed(COLUMNS):
        op.execute(f"ALTER TABLE jobs DROP COLUMN {name}")
    _queue_index("ix_jobs_queue", ["available_at", "id"])


def _queue_index(name: str, columns: list[str]) -> None:
    op.create_index(name, "jobs", columns, sqlite_where=QUEUED, postgresql_where=QUEUED)
