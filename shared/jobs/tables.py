"""The tables. The invariants of the job life cycle are constraints here, in SQLite and Postgres alike."""

import uuid
from datetime import datetime
from typing import Any

from shrutlekh_contract.statuses import JobStatus as JobStatus
from shrutlekh_contract.statuses import Priority as Priority
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Enum,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from shared.orm import Base, Json, UtcDateTime

STATUSES = ", ".join(f"'{status}'" for status in JobStatus)

# Literal SQL instead of bound parameters, so that queries can use the partial indexes.
QUEUED = text("status = 'queued'")
RUNNING = text("status = 'running'")
ENDED = text("status IN ('succeeded', 'failed', 'cancelled')")
NOT_ENDED = text("status IN ('queued', 'running')")
UNFINISHED = text("finished_at IS NULL")
OF_A_TENANT = text("tenant <> ''")
WITH_A_KEY = text("idempotency_key IS NOT NULL")
IN_A_BATCH = text("batch_id IS NOT NULL")


class Batch(Base):
    """Recordings that were submitted together, each with a job of its own."""

    __tablename__ = "batches"
    __table_args__ = (
        Index("ix_batches_newest", "created_at", "id"),
        Index(
            "ix_batches_tenant",
            "tenant",
            "created_at",
            "id",
            sqlite_where=OF_A_TENANT,
            postgresql_where=OF_A_TENANT,
        ),
        Index("uq_batches_idempotency_key", "tenant", "idempotency_key", unique=True),
        Index("ix_batches_unfinished", "id", sqlite_where=UNFINISHED, postgresql_where=UNFINISHED),
        CheckConstraint("jobs >= 0", name="jobs_counted"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(36), server_default=text("''"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when its last job ended
    name: Mapped[str] = mapped_column(String(255))  # the client's name for it, only displayed
    jobs: Mapped[int]  # how many were submitted
    digest: Mapped[str] = mapped_column(String(64))  # SHA-256 over what was sent, to compare repetitions
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    options: Mapped[dict[str, Any]] = mapped_column(Json, server_default=text("'{}'"))
    skipped: Mapped[list[dict[str, str]]] = mapped_column(Json)  # members of an archive that got no job


class Job(Base):
    """The request to transcribe one recording, with its state."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(f"status IN ({STATUSES})", name="status_known"),
        CheckConstraint("progress >= 0 AND progress <= 1", name="progress_fraction"),
        CheckConstraint(
            "attempt >= 0 AND max_attempts >= 1 AND attempt <= max_attempts", name="attempt_bounded"
        ),
        CheckConstraint(
            "(status = 'running') = (lease_owner IS NOT NULL) "
            "AND (status = 'running') = (lease_expires_at IS NOT NULL)",
            name="lease_while_running",
        ),
        CheckConstraint(
            "(status = 'failed') = (error_code IS NOT NULL) "
            "AND (status = 'failed') = (error_message IS NOT NULL)",
            name="error_when_failed",
        ),
        CheckConstraint(
            "(status IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)",
            name="finished_when_final",
        ),
        CheckConstraint("transcript OR waveform", name="something_wanted"),
        CheckConstraint("status <> 'succeeded' OR audio_seconds IS NOT NULL", name="seconds_when_succeeded"),
        Index("ix_jobs_newest", "created_at", "id"),
        CheckConstraint("priority BETWEEN 0 AND 2", name="priority_known"),
        CheckConstraint("chunks_done >= 0", name="chunks_counted"),
        Index("ix_jobs_queue", "priority", "turn", "id", sqlite_where=QUEUED, postgresql_where=QUEUED),
        Index(
            "ix_jobs_model", "model", "priority", "turn", "id", sqlite_where=QUEUED, postgresql_where=QUEUED
        ),
        Index("ix_jobs_turns", "client", "priority", "turn", sqlite_where=QUEUED, postgresql_where=QUEUED),
        Index("ix_jobs_leases", "lease_expires_at", sqlite_where=RUNNING, postgresql_where=RUNNING),
        Index("ix_jobs_finished", "finished_at"),
        # The pages of the jobs in one state. Two indexes, because SQLite would take one to find the next job.
        Index("ix_jobs_ended", "status", "created_at", "id", sqlite_where=ENDED, postgresql_where=ENDED),
        Index(
            "ix_jobs_unfinished",
            "status",
            "created_at",
            "id",
            sqlite_where=NOT_ENDED,
            postgresql_where=NOT_ENDED,
        ),
        # Without the condition SQLite would take it to find all jobs of a tenant.
        Index(
            "uq_jobs_idempotency_key",
            "tenant",
            "idempotency_key",
            unique=True,
            sqlite_where=WITH_A_KEY,
            postgresql_where=WITH_A_KEY,
        ),
        Index(
            "ix_jobs_tenant",
            "tenant",
            "created_at",
            "id",
            sqlite_where=OF_A_TENANT,
            postgresql_where=OF_A_TENANT,
        ),
        Index(
            "ix_jobs_tenant_status",
            "tenant",
            "status",
            "created_at",
            "id",
            sqlite_where=OF_A_TENANT,
            postgresql_where=OF_A_TENANT,
        ),
        # Everything that the progress of a batch is computed from.
        Index(
            "ix_jobs_batch",
            "batch_id",
            "status",
            "file_bytes",
            "started_at",
            sqlite_where=IN_A_BATCH,
            postgresql_where=IN_A_BATCH,
        ),
        Index(
            "ix_jobs_batch_newest",
            "batch_id",
            "created_at",
            "id",
            sqlite_where=IN_A_BATCH,
            postgresql_where=IN_A_BATCH,
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    status: Mapped[JobStatus] = mapped_column(
        Enum(
            JobStatus,
            native_enum=False,
            create_constraint=False,
            length=16,
            values_callable=lambda statuses: [status.value for status in statuses],
        )
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    file_name: Mapped[str] = mapped_column(String(255))  # the client's name for it, only displayed
    file_key: Mapped[str] = mapped_column(String(64), unique=True)  # its name in the file store
    file_bytes: Mapped[int] = mapped_column(BigInteger)
    file_sha256: Mapped[str] = mapped_column(String(64))

    model: Mapped[str] = mapped_column(String(64))
    # Of the attempt that saved progress last; NULL before. See speech.ModelFolder.version.
    model_version: Mapped[str | None] = mapped_column(String(12))
    transcript: Mapped[bool]  # whether to transcribe
    waveform: Mapped[bool]  # whether to draw the picture
    # All other options, see shared.jobs.job_options. A new option needs no column.
    options: Mapped[dict[str, Any]] = mapped_column(Json, server_default=text("'{}'"))

    tenant: Mapped[str] = mapped_column(String(36), server_default=text("''"))  # see shared.keys; '': no key
    # No foreign key to batches: SQLite cannot drop such a column again.
    batch_id: Mapped[uuid.UUID | None]
    folder: Mapped[str] = mapped_column(
        String(1024), server_default=text("''")
    )  # within its batch, displayed
    client: Mapped[str] = mapped_column(String(64), server_default=text("''"))  # clients take turns
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    turn: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))  # see shared.jobs.turns
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    traceparent: Mapped[str | None] = mapped_column(String(55))  # W3C trace context of the upload

    progress: Mapped[float]
    chunks_done: Mapped[int] = mapped_column(server_default=text("0"))  # segments that are saved
    attempt: Mapped[int]
    max_attempts: Mapped[int]
    available_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lease_owner: Mapped[str | None] = mapped_column(String(128))
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancel_requested: Mapped[bool]

    audio_seconds: Mapped[float | None]
    audio_sample_rate: Mapped[int | None]
    audio_channels: Mapped[int | None]
    speech_seconds: Mapped[float | None]  # classified as speech, summed over the transcribed channels
    stage_seconds: Mapped[dict[str, float] | None] = mapped_column(Json)
    # See shrutlekh_contract.audio_warnings. NULL before the recording is read to its end.
    warnings: Mapped[list[dict[str, Any]] | None] = mapped_column(Json)

    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)

    revision: Mapped[int | None]  # number of the newest revision; NULL while the text is the machine's
    # Revisions that were ever made. Their numbers are not used again, also after all were erased.
    revisions: Mapped[int] = mapped_column(server_default=text("0"))


class JobEvent(Base):
    """The audit trail: one row per transition, written in the same transaction."""

    __tablename__ = "job_events"
    __table_args__ = (
        Index("ix_job_events_job", "job_id", "id"),
        Index(
            "uq_job_events_one_success",
            "job_id",
            unique=True,
            sqlite_where=text("to_status = 'succeeded'"),
            postgresql_where=text("to_status = 'succeeded'"),
        ),
    )

    # SQLite autoincrements only INTEGER columns
    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True
    )
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    event: Mapped[str] = mapped_column(String(32))
    from_status: Mapped[str | None] = mapped_column(String(16))
    to_status: Mapped[str] = mapped_column(String(16))
    attempt: Mapped[int]
    code: Mapped[str | None] = mapped_column(String(64))


class SegmentRow(Base):
    """A segment. ``words`` is a list of ``{text, start, end, confidence}``."""

    __tablename__ = "segments"
    __table_args__ = (
        CheckConstraint("end_seconds >= start_seconds AND start_seconds >= 0", name="times_ordered"),
    )

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    start_seconds: Mapped[float]
    end_seconds: Mapped[float]
    channel: Mapped[int | None] = mapped_column(SmallInteger)  # counted from 1; NULL if channels were mixed
    text: Mapped[str] = mapped_column(Text)
    confidence: Mapped[float | None]
    avg_logprob: Mapped[float | None]  # mean natural log-probability of the tokens
    words: Mapped[list[dict[str, Any]]] = mapped_column(Json)


class WaveformRow(Base):
    """The picture of a recording and the peaks that it shows."""

    __tablename__ = "waveforms"

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    png: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    peaks: Mapped[dict[str, Any]] = mapped_column(Json, deferred=True)


class SpectrogramRow(Base):
    """The log-mel spectrogram of a recording, as PNG."""

    __tablename__ = "spectrograms"

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    png: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class RevisionRow(Base):
    """A text that a person has corrected, beside the segments of the machine.

    ``segments`` is the whole text: a list of ``{start, end, channel, words}``, each word a ``{text, start,
    end, confidence}``.
    """

    __tablename__ = "revisions"
    __table_args__ = (CheckConstraint("number >= 1 AND saves >= 1", name="counted_from_one"),)

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)  # counted from 1
    saves: Mapped[int]  # how often it was saved: saves that follow each other closely are one revision
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime)
    editor: Mapped[str] = mapped_column(
        String(64), server_default=text("''")
    )  # prefix of the API key, if any
    segments: Mapped[list[dict[str, Any]]] = mapped_column(Json, deferred=True)
