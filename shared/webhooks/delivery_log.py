"""The log of deliveries that a user can read, and the order to deliver one again."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shrutlekh_contract.deliveries import DeliveryStatus
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shared.database_clock import database_now
from shared.errors import DeliveryNotFound
from shared.webhooks.outbox import MOST_TRIES
from shared.webhooks.tables import Delivery, DeliveryTry


@dataclass(frozen=True, slots=True)
class DeliverySelection:
    """Selects the deliveries that meet all given conditions.

    Attributes:
        tenant: they are this tenant's.
        job_id, batch_id: they tell about this job or batch.
        status: they are in this state.
    """

    tenant: str | None = None
    job_id: uuid.UUID | None = None
    batch_id: uuid.UUID | None = None
    status: DeliveryStatus | None = None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A page of deliveries, newest first, with the tries at each, and the cursor of the next page."""

    deliveries: Sequence[Delivery]
    tries: Mapping[uuid.UUID, Sequence[DeliveryTry]]
    next_cursor: uuid.UUID | None


def page_of_deliveries(
    session: Session, selection: DeliverySelection, *, limit: int, cursor: uuid.UUID | None = None
) -> DeliveryPage:
    """Return at most ``limit`` of the selected deliveries, newest first, those older than ``cursor``."""
    query = select(Delivery)
    for column, value in (
        (Delivery.tenant, selection.tenant),
        (Delivery.job_id, selection.job_id),
        (Delivery.batch_id, selection.batch_id),
        (Delivery.status, selection.status),
    ):
        if value is not None:
            query = query.where(column == value)
    if cursor is not None:
        query = query.where(Delivery.id < cursor)
    found = session.scalars(query.order_by(Delivery.id.desc()).limit(limit + 1)).all()
    page = found[:limit]
    return DeliveryPage(page, _tries_of(session, page), page[-1].id if len(found) > limit else None)


def deliver_again(session: Session, delivery_id: uuid.UUID, tenant: str | None) -> DeliveryPage:
    """Make a delivery due at once, with all its tries anew. It keeps its id, by which receivers know it.

    Args:
        session: a writing session; the caller commits.
        delivery_id: the delivery, in whatever state.
        tenant: whose it must be; None for anybody's.

    Returns:
        The delivery as it is now.

    Raises:
        DeliveryNotFound: no delivery has this id, or it is another tenant's.
    """
    found = session.get(Delivery, delivery_id, populate_existing=True)
    if found is None or tenant not in (None, found.tenant):
        raise DeliveryNotFound("No delivery has this id, or its log entry has expired.")
    session.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id)
        .values(
            status=DeliveryStatus.PENDING,
            tries_left=MOST_TRIES,
            due_at=database_now(),
            lease_owner=None,
            finished_at=None,
        )
        .execution_options(synchronize_session=False)
    )
    again = session.get_one(Delivery, delivery_id, populate_existing=True)
    return DeliveryPage([again], _tries_of(session, [again]), None)


def _tries_of(session: Session, deliveries: Sequence[Delivery]) -> Mapping[uuid.UUID, Sequence[DeliveryTry]]:
    tries: dict[uuid.UUID, list[DeliveryTry]] = {delivery.id: [] for delivery in deliveries}
    query = select(DeliveryTry).where(DeliveryTry.delivery_id.in_(tries)).order_by(DeliveryTry.id)
    for row in session.scalars(query):
        tries[row.delivery_id].append(row)
    return tries
