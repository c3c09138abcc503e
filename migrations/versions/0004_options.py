"""Store the options in one column, so that a new option needs no migration.

Uses plain SQL that both databases support, for the reason given in 0002.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OLD_COLUMNS = ("hotword_weight", "hotwords", "channels", "decoder")
GATHER = {
    "postgresql": """
        UPDATE jobs SET options = jsonb_build_object(
            'decoder', decoder,
            'channels', channels,
            'hotwords', coalesce(hotwords, '[]'),
            'hotword_weight', hotword_weight
        )""",
    "sqlite": """
        UPDATE jobs SET options = json_object(
            'decoder', decoder,
            'channels', channels,
            'hotwords', json(coalesce(hotwords, '[]')),
            'hotword_weight', hotword_weight
        )""",
}
SCATTER = {
    "postgresql": """
        UPDATE jobs SET
            decoder = options ->> 'decoder',
            channels = coalesce(options ->> 'channels', 'mix'),
            hotwords = nullif(options -> 'hotwords', '[]'),
            hotword_weight = CAST(options ->> 'hotword_weight' AS DOUBLE PRECISION)""",
    "sqlite": """
        UPDATE jobs SET
            decoder = json_extract(options, '$.decoder'),
            channels = coalesce(json_extract(options, '$.channels'), 'mix'),
            hotwords = nullif(json_extract(options, '$.hotwords'), '[]'),
            hotword_weight = json_extract(options, '$.hotword_weight')""",
}


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    json = "JSONB" if dialect == "postgresql" else "JSON"
    op.execute(f"ALTER TABLE jobs ADD COLUMN options {json} NOT NULL DEFAULT '{{}}'")
    op.execute(GATHER[dialect])
    for name in OLD_COLUMNS:
        op.execute(f"ALTER TABLE jobs DROP COLUMN {name}")
    # Before 0002, attempts did not count their segments, so no attempt can resume after them.
    op.execute(
        "DELETE FROM segments WHERE job_id IN "
        "(SELECT id FROM jobs WHERE chunks_done = 0 AND status <> 'succeeded')"
    )


def downgrade() -> None:
    dialect = op.get_bind().dialect.name
    is_postgres = dialect == "postgresql"
    columns = {
        "decoder": "VARCHAR(16)",
        "channels": (
            "VARCHAR(8) NOT NULL DEFAULT 'mix' "
            "CONSTRAINT ck_jobs_channels_known CHECK (channels IN ('mix', 'each'))"
        ),
        "hotwords": "JSONB" if is_postgres else "JSON",
        "hotword_weight": (
            f"{'DOUBLE PRECISION' if is_postgres else 'DOUBLE'} CONSTRAINT ck_jobs_hotwords_weighed "
            "CHECK ((hotwords IS NULL) = (hotword_weight IS NULL))"
        ),
    }
    for name, kind in columns.items():
        op.execute(f"ALTER TABLE jobs ADD COLUMN {name} {kind}")
    op.execute(SCATTER[dialect])
    op.execute("ALTER TABLE jobs DROP COLUMN options")
