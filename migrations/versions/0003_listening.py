"""Add recognition options (decoder, channels, hot-words), seconds of speech and the trace context."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    json = "JSONB" if op.get_bind().dialect.name == "postgresql" else "JSON"
    real = "DOUBLE PRECISION" if op.get_bind().dialect.name == "postgresql" else "DOUBLE"
    columns = {
        "decoder": "VARCHAR(16)",
        "channels": (
            "VARCHAR(8) NOT NULL DEFAULT 'mix' "
            "CONSTRAINT ck_jobs_channels_known CHECK (channels IN ('mix', 'each'))"
        ),
        "hotwords": json,
        "hotword_weight": (
            f"{real} CONSTRAINT ck_jobs_hotwords_weighed "
            "CHECK ((hotwords IS NULL) = (hotword_weight IS NULL))"
        ),
        "speech_seconds": real,
        "traceparent": "VARCHAR(55)",
    }
    for name, kind in columns.items():
        op.execute(f"ALTER TABLE jobs ADD COLUMN {name} {kind}")
    op.execute("ALTER TABLE segments ADD COLUMN channel SMALLINT")


def downgrade() -> None:
    op.execute("ALTER TABLE segments DROP COLUMN channel")
    for name in ("traceparent", "speech_seconds", "hotword_weight", "hotwords", "channels", "decoder"):
        op.execute(f"ALTER TABLE jobs DROP COLUMN {name}")
