"""The tables of webhooks: signing secrets, deliveries, and each try at one.

Deliveries refer to jobs and batches without a foreign key: the log outlives the job that it tells about.
"""

import uuid
from datetime import datetime

from shrutlekh_contract.deliveries import DeliveryStatus
from shrutlekh_contract.webhook_urls import LONGEST_URL
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Enum,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from shared.orm import Base, UtcDateTime

LONGEST_HOST = 300
LONGEST_ERROR = 200
PENDING = text("status = 'pending'")  # literal SQL, so that queries can use the partial index


class SigningSecret(Base):
    """The secret that a tenant's webhooks are signed with, and for a while the one before it."""

    __tablename__ = "webhook_secrets"

    tenant: Mapped[str] = mapped_column(String(36), primary_key=True)
    secret: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    previous: Mapped[str | None] = mapped_column(String(64))
    previous_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Delivery(Base):
    """A webhook to deliver, or that was delivered or given up."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'delivered', 'given_up')", name="status_known"),
        CheckConstraint("(status = 'pending') = (finished_at IS NULL)", name="finished_when_final"),
        Index("ix_webhook_deliveries_due", "host", "due_at", sqlite_where=PENDING, postgresql_where=PENDING),
        Index("ix_webhook_deliveries_newest", "tenant", "id"),
        Index("ix_webhook_deliveries_status", "status", "id"),
        Index("ix_webhook_deliveries_tenant_status", "tenant", "status", "id"),
        Index("ix_webhook_deliveries_job", "job_id"),
        Index("ix_webhook_deliveries_batch", "batch_id"),
        Index("ix_webhook_deliveries_finished", "finished_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(36))
    job_id: Mapped[uuid.UUID | None]
    batch_id: Mapped[uuid.UUID | None]
    type: Mapped[str] = mapped_column(String(32))
    url: Mapped[str] = mapped_column(String(LONGEST_URL))
    host: Mapped[str] = mapped_column(String(LONGEST_HOST))  # and port, of the URL: receivers take turns
    body: Mapped[bytes] = mapped_column(LargeBinary)  # exactly what is signed and sent
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[DeliveryStatus] = mapped_column(
        Enum(
            DeliveryStatus,
            native_enum=False,
            create_constraint=False,
            length=16,
            values_callable=lambda statuses: [status.value for status in statuses],
        )
    )
    tries_left: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)  # while it is claimed, the end of the lease
    lease_owner: Mapped[str | None] = mapped_column(String(64))
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DeliveryTry(Base):
    """One try at a delivery: the status of the response, or the error."""

    __tablename__ = "webhook_tries"
    __table_args__ = (Index("ix_webhook_tries_delivery", "delivery_id", "id"),)

    # SQLite autoincrements only INTEGER columns
    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True
    )
    delivery_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("webhook_deliveries.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(String(LONGEST_ERROR))
    seconds: Mapped[float]
