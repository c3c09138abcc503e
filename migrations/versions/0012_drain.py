"""The drain switch, which was a file in the data folder: workers on other machines may not share one."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drain",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_drain_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drain")),
    )


def downgrade() -> None:
    op.drop_table("drain")
