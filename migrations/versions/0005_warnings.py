"""Store what is imperfect about a recording, and how probable the model found each segment.

Uses plain SQL that both databases support, for the reason given in 0002.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    is_postgres = op.get_bind().dialect.name == "postgresql"
    op.execute(f"ALTER TABLE jobs ADD COLUMN warnings {'JSONB' if is_postgres else 'JSON'}")
    op.execute(
        f"ALTER TABLE segments ADD COLUMN avg_logprob {'DOUBLE PRECISION' if is_postgres else 'DOUBLE'}"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE segments DROP COLUMN avg_logprob")
    op.execute("ALTER TABLE jobs DROP COLUMN warnings")
