"""Corrected texts beside those of the machine, and spectrograms.

Adds the column with plain SQL, for the reason given in 0002.
"""

import uuid

import sqlalchemy as sa
from alembic import op

from shared.orm import Json, UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE jobs ADD COLUMN revision INTEGER")
    op.execute("ALTER TABLE jobs ADD COLUMN revisions INTEGER DEFAULT 0 NOT NULL")
    op.create_table(
        "spectrograms",
        _job_id(),
        sa.Column("png", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_table(
        "revisions",
        _job_id(),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("saves", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("saved_at", UtcDateTime(), nullable=False),
        sa.Column("editor", sa.String(64), nullable=False, server_default=sa.text("''")),
        sa.Column("segments", Json, nullable=False),
        sa.CheckConstraint("number >= 1 AND saves >= 1", name="counted_from_one"),
        sa.PrimaryKeyConstraint("job_id", "number"),
    )


def downgrade() -> None:
    op.drop_table("revisions")
    op.drop_table("spectrograms")
    op.execute("ALTER TABLE jobs DROP COLUMN revisions")
    op.execute("ALTER TABLE jobs DROP COLUMN revision")


def _job_id() -> sa.Column[uuid.UUID]:
    return sa.Column("job_id", sa.Uuid(), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False)
