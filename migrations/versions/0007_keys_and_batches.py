"""Add API keys, the tenant that a job belongs to, what tenants use, and batches of jobs.

Uses plain SQL for the columns, for the reason given in 0002. An idempotency key now belongs to a tenant.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UNFINISHED = sa.text("finished_at IS NULL")
OF_A_TENANT = sa.text("tenant <> ''")
WAITING_OF_A_TENANT = sa.text("status = 'queued' AND tenant <> ''")
IN_A_BATCH = sa.text("batch_id IS NOT NULL")


def _json() -> sa.types.TypeEngine[Any]:
    return sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("scopes", _json(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("requests_per_minute", sa.Integer(), nullable=True),
        sa.Column("jobs_waiting", sa.Integer(), nullable=True),
        sa.Column("audio_hours_per_day", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_index("uq_api_keys_prefix", "api_keys", ["prefix"], unique=True)
    op.create_table(
        "usage",
        sa.Column("tenant", sa.String(length=36), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("audio_seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "day", name=op.f("pk_usage")),
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.String(length=36), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("jobs", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("options", _json(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("skipped", _json(), nullable=False),
        sa.CheckConstraint("jobs >= 0", name=op.f("ck_batches_jobs_counted")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    op.create_index("ix_batches_newest", "batches", ["created_at", "id"])
    op.create_index(
        "ix_batches_tenant",
        "batches",
        ["tenant", "created_at", "id"],
        sqlite_where=OF_A_TENANT,
        postgresql_where=OF_A_TENANT,
    )
    op.create_index("uq_batches_idempotency_key", "batches", ["tenant", "idempotency_key"], unique=True)
    op.create_index(
        "ix_batches_unfinished", "batches", ["id"], sqlite_where=UNFINISHED, postgresql_where=UNFINISHED
    )
    uuid = "UUID" if op.get_bind().dialect.name == "postgresql" else "CHAR(32)"
    op.execute("ALTER TABLE jobs ADD COLUMN tenant VARCHAR(36) NOT NULL DEFAULT ''")
    op.execute("ALTER TABLE jobs ADD COLUMN folder VARCHAR(1024) NOT NULL DEFAULT ''")
    op.execute(f"ALTER TABLE jobs ADD COLUMN batch_id {uuid}")
    op.create_index(
        "ix_jobs_tenant",
        "jobs",
        ["tenant", "created_at", "id"],
        sqlite_where=OF_A_TENANT,
        postgresql_where=OF_A_TENANT,
    )
    op.create_index(
        "ix_jobs_waiting",
        "jobs",
        ["tenant"],
        sqlite_where=WAITING_OF_A_TENANT,
        postgresql_where=WAITING_OF_A_TENANT,
    )
    op.create_index(
        "ix_jobs_batch",
        "jobs",
        ["batch_id", "status", "file_bytes", "started_at"],
        sqlite_where=IN_A_BATCH,
        postgresql_where=IN_A_BATCH,
    )
    op.create_index(
        "ix_jobs_batch_newest",
        "jobs",
        ["batch_id", "created_at", "id"],
        sqlite_where=IN_A_BATCH,
        postgresql_where=IN_A_BATCH,
    )
    op.drop_index("uq_jobs_idempotency_key", "jobs")
    op.create_index("uq_jobs_idempotency_key", "jobs", ["tenant", "idempotency_key"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_jobs_idempotency_key", "jobs")
    op.execute("UPDATE jobs SET idempotency_key = NULL WHERE tenant <> ''")  # else not unique
    op.create_index("uq_jobs_idempotency_key", "jobs", ["idempotency_key"], unique=True)
    for index in ("ix_jobs_batch_newest", "ix_jobs_batch", "ix_jobs_waiting", "ix_jobs_tenant"):
        op.drop_index(index, "jobs")
    for name in ("batch_id", "folder", "tenant"):
        op.execute(f"ALTER TABLE jobs DROP COLUMN {name}")
    op.drop_table("batches")
    op.drop_table("usage")
    op.drop_table("api_keys")
