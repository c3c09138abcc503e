"""Indexes with which no query of a job's way grows with the number of finished jobs.

On SQLite, of 20,000 finished jobs, a page of the failed ones of a tenant read all jobs of the tenant, one of the
running jobs read all jobs there are, and a search for a tenant's latest jobs took the index of idempotency keys
and sorted. That index now holds only jobs with a key. The indexes by state are partial so that the planner does
not take them to find the next job.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ENDED = sa.text("status IN ('succeeded', 'failed', 'cancelled')")
NOT_ENDED = sa.text("status IN ('queued', 'running')")
OF_A_TENANT = sa.text("tenant <> ''")
WAITING_OF_A_TENANT = sa.text("status = 'queued' AND tenant <> ''")
WITH_A_KEY = sa.text("idempotency_key IS NOT NULL")


def upgrade() -> None:
    for name in ("ix_jobs_ended", "ix_jobs_waiting", "uq_jobs_idempotency_key"):
        op.drop_index(name, "jobs")
    _create("ix_jobs_ended", "jobs", ["status", "created_at", "id"], ENDED)
    _create("ix_jobs_unfinished", "jobs", ["status", "created_at", "id"], NOT_ENDED)
    _create("ix_jobs_tenant_status", "jobs", ["tenant", "status", "created_at", "id"], OF_A_TENANT)
    _create("uq_jobs_idempotency_key", "jobs", ["tenant", "idempotency_key"], WITH_A_KEY, unique=True)
    _create("ix_webhook_deliveries_status", "webhook_deliveries", ["status", "id"])
    _create("ix_webhook_deliveries_tenant_status", "webhook_deliveries", ["tenant", "status", "id"])


def downgrade() -> None:
    for name in ("ix_webhook_deliveries_tenant_status", "ix_webhook_deliveries_status"):
        op.drop_index(name, "webhook_deliveries")
    for name in ("uq_jobs_idempotency_key", "ix_jobs_tenant_status", "ix_jobs_unfinished", "ix_jobs_ended"):
        op.drop_index(name, "jobs")
    _create("uq_jobs_idempotency_key", "jobs", ["tenant", "idempotency_key"], unique=True)
    _create("ix_jobs_waiting", "jobs", ["tenant"], WAITING_OF_A_TENANT)
    _create("ix_jobs_ended", "jobs", ["status"], ENDED)


def _create(
    name: str, table: str, columns: list[str], where: sa.TextClause | None = None, *, unique: bool = False
) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)
