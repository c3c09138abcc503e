"""The version of the model that transcribed a job, and the queue by model for workers that are pinned to some.

Adds the column with plain SQL, for the reason given in 0002.
"""

import sqlalchemy as sa
from alembic import op

from migrations.online import create_index

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

QUEUED = sa.text("status = 'queued'")


def upgrade() -> None:
    create_index("ix_jobs_model", "jobs", ["model", "priority", "turn", "id"], where=QUEUED)
    op.execute("ALTER TABLE jobs ADD COLUMN model_version VARCHAR(12)")


def downgrade() -> None:
    op.drop_index("ix_jobs_model", table_name="jobs")
    op.execute("ALTER TABLE jobs DROP COLUMN model_version")
