"""The outbox: webhooks are inserted in the transaction that they tell about, and delivered afterwards.

A courier claims due deliveries for the length of a lease. If it dies, they are due again when the lease ends,
so each is delivered at least once.
"""

import json
import random
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from shrutlekh_contract.deliveries import DeliveryStatus
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from shared.clock import now
from shared.database_clock import database_now, from_now
from shared.webhooks.signing_secrets import valid_secrets
from shared.webhooks.tables import LONGEST_ERROR, PENDING, Delivery, DeliveryTry

# Seconds before the second try, the third, and so on.
PAUSES = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 10_800.0, 21_600.0, 43_200.0)
MOST_TRIES = len(PAUSES) + 1
JITTER = 0.2
# The longest pause that a receiver may ask for with Retry-After.
LONGEST_ASKED = 43_200.0
GONE = 410


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that a courier may try now."""

    id: uuid.UUID
    url: str
    host: str
    body: bytes
    secrets: Sequence[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try.

    Attributes:
        at: when it began.
        seconds: how long it took.
        status: of the response; None if there was none.
        error: why there was none, in a few words.
        retry_after: seconds that the receiver asks to wait.
    """

    at: datetime
    seconds: float
    status: int | None = None
    error: str | None = None
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        """Whether the receiver accepted the webhook."""
        return self.status is not None and 200 <= self.status < 300


def enqueue_job(session: Session, *, job_id: uuid.UUID, tenant: str, url: str, status: str) -> None:
    """Insert the webhook that tells that a job has ended; the caller commits."""
    _enqueue(session, f"job.{status}", tenant, url, status, job_id=job_id)


def enqueue_batch(session: Session, *, batch_id: uuid.UUID, tenant: str, url: str) -> None:
    """Insert the webhook that tells that all jobs of a batch have ended; the caller commits."""
    _enqueue(session, "batch.finished", tenant, url, "finished", batch_id=batch_id)


def _enqueue(
    session: Session,
    kind: str,
    tenant: str,
    url: str,
    status: str,
    *,
    job_id: uuid.UUID | None = None,
    batch_id: uuid.UUID | None = None,
) -> None:
    moment = now()
    message = {
        "type": kind,
        "timestamp": moment.isoformat().replace("+00:00", "Z"),
        "data": {"id": str(job_id or batch_id), "status": status},
    }
    session.execute(
        insert(Delivery).values(
            id=uuid7(),
            tenant=tenant,
            job_id=job_id,
            batch_id=batch_id,
            type=kind,
            url=url,
            host=urlsplit(url).netloc.lower(),
            body=json.dumps(message, separators=(",", ":")).encode(),
            created_at=database_now(),
            status=DeliveryStatus.PENDING,
            tries_left=MOST_TRIES,
            due_at=database_now(),
        )
    )


def hosts_due(session: Session, busy: Collection[str], at_most: int) -> Sequence[str]:
    """Return the hosts that deliveries are due for, those that have waited longest first.

    Args:
        session: any session.
        busy: hosts to leave out.
        at_most: how many.
    """
    due = select(Delivery.host).where(PENDING, Delivery.due_at <= database_now(), Delivery.host.not_in(busy))
    return session.scalars(
        due.group_by(Delivery.host).order_by(func.min(Delivery.due_at)).limit(at_most)
    ).all()


def claim_due(session: Session, owner: str, lease: timedelta, room: Mapping[str, int]) -> list[Claimed]:
    """Claim due deliveries for ``owner``, those that are due longest first.

    Args:
        session: a writing session; the caller commits.
        owner: the courier.
        lease: how long nobody else may claim them.
        room: how many for each host.
    """
    claimed: list[Delivery] = []
    for host, at_most in room.items():
        due = select(Delivery).where(PENDING, Delivery.host == host, Delivery.due_at <= database_now())
        claimed += session.scalars(
            due.order_by(Delivery.due_at).limit(at_most).with_for_update(skip_locked=True)
        )
    session.execute(
        update(Delivery)
        .where(Delivery.id.in_([delivery.id for delivery in claimed]))
        .values(lease_owner=owner, due_at=from_now(lease))
        .execution_options(synchronize_session=False)
    )
    secrets = {tenant: valid_secrets(session, tenant) for tenant in {one.tenant for one in claimed}}
    return [Claimed(one.id, one.url, one.host, one.body, secrets[one.tenant]) for one in claimed]


def renew_claims(session: Session, owner: str, deliveries: Sequence[uuid.UUID], lease: timedelta) -> None:
    """Extend the lease of claimed deliveries that are still in progress."""
    session.execute(
        update(Delivery)
        .where(Delivery.id.in_(deliveries), PENDING, Delivery.lease_owner == owner)
        .values(due_at=from_now(lease))
        .execution_options(synchronize_session=False)
    )


def give_back(session: Session, owner: str, deliveries: Sequence[uuid.UUID]) -> None:
    """Make claimed deliveries due at once, because their courier stops."""
    session.execute(
        update(Delivery)
        .where(Delivery.id.in_(deliveries), PENDING, Delivery.lease_owner == owner)
        .values(lease_owner=None, due_at=database_now())
        .execution_options(synchronize_session=False)
    )


def record(session: Session, delivery_id: uuid.UUID, owner: str, outcome: Outcome) -> DeliveryStatus | None:
    """Record a try, and end the delivery or schedule the next try.

    Returns:
        The state of the delivery, or None if ``owner`` no longer holds it: then nothing is recorded.
    """
    left = session.execute(
        select(Delivery.tries_left)
        .where(Delivery.id == delivery_id, PENDING, Delivery.lease_owner == owner)
        .with_for_update()
    ).scalar_one_or_none()
    if left is None:
        return None
    status = DeliveryStatus.PENDING
    if outcome.is_success:
        status = DeliveryStatus.DELIVERED
    elif left <= 1 or outcome.status == GONE:
        status = DeliveryStatus.GIVEN_UP
    is_final = status is not DeliveryStatus.PENDING
    session.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id)
        .values(
            status=status,
            lease_owner=None,
            tries_left=max(left - 1, 0),
            due_at=database_now() if is_final else from_now(_pause(MOST_TRIES - left, outcome.retry_after)),
            finished_at=database_now() if is_final else None,
        )
        .execution_options(synchronize_session=False)
    )
    session.execute(
        insert(DeliveryTry).values(
            delivery_id=delivery_id,
            at=outcome.at,
            status=outcome.status,
            error=None if outcome.error is None else outcome.error[:LONGEST_ERROR],
            seconds=round(outcome.seconds, 3),
        )
    )
    return status


def count_pending(session: Session) -> int:
    """Count the deliveries that are not delivered yet and not given up."""
    return session.scalar(select(func.count()).select_from(Delivery).where(PENDING)) or 0


def erase_old(session: Session, before: datetime, at_most: int) -> int:
    """Erase deliveries, with their tries, that ended before a moment. Return their number."""
    chosen = select(Delivery.id).where(Delivery.finished_at < before).limit(at_most)
    erased = session.execute(
        delete(Delivery)
        .where(Delivery.id.in_(chosen))
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    return len(erased.all())


def _pause(tried: int, retry_after: float | None) -> timedelta:
    """Return the pause after ``tried`` + 1 tries."""
    pause = PAUSES[min(tried, len(PAUSES) - 1)] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - jitter
    if retry_after is not None:
        pause = max(pause, min(retry_after, LONGEST_ASKED))
    return timedelta(seconds=pause)
