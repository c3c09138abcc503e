"""Models of the JSON about webhooks."""

import json
import uuid
from datetime import datetime
from typing import Any

from pydantic import Field
from shrutlekh_contract.deliveries import DeliveryStatus

from api.http import examples
from api.http.schemas import Shape, with_example
from shared.webhooks import Delivery, DeliveryPage, DeliveryTry, SigningSecret


class SigningSecretOut(Shape):
    """The secret that webhooks are signed with."""

    model_config = with_example(examples.SIGNING_SECRET)

    secret: str = Field(description="For the receiver, in the form that Standard Webhooks libraries take.")
    created_at: datetime
    previous_until: datetime | None = Field(
        description="Until then, webhooks are also signed with the secret before this one."
    )

    @classmethod
    def of(cls, secret: SigningSecret) -> "SigningSecretOut":
        """Make the model of a secret."""
        return cls(secret=secret.secret, created_at=secret.created_at, previous_until=secret.previous_until)


class DeliveryTryOut(Shape):
    """One try at a delivery."""

    at: datetime
    status: int | None = Field(description="HTTP status of the receiver's response; null if there was none.")
    error: str | None = Field(description="Why there was no response.")
    seconds: float

    @classmethod
    def of(cls, row: DeliveryTry) -> "DeliveryTryOut":
        """Make the model of a try."""
        return cls(at=row.at, status=row.status, error=row.error, seconds=row.seconds)


class DeliveryOut(Shape):
    """The delivery of a webhook."""

    model_config = with_example(examples.DELIVERY)

    id: uuid.UUID = Field(description="The header `webhook-id` is `msg_` and its 32 hexadecimal digits.")
    type: str = Field(description="Such as `job.succeeded` or `batch.finished`.")
    job: uuid.UUID | None
    batch: uuid.UUID | None
    url: str
    body: dict[str, Any] = Field(description="The body that is sent.")
    status: DeliveryStatus
    created_at: datetime
    next_try_at: datetime | None = Field(description="Null once it is delivered or given up.")
    tries: list[DeliveryTryOut]


class DeliveryPageOut(Shape):
    """A page of deliveries, newest first."""

    model_config = with_example({"deliveries": [examples.DELIVERY], "next_cursor": None})

    deliveries: list[DeliveryOut]
    next_cursor: uuid.UUID | None = Field(description="`cursor` of the next page; null on the last page.")

    @classmethod
    def of(cls, page: DeliveryPage) -> "DeliveryPageOut":
        """Make the model of a page."""
        deliveries = [_delivery(row, page) for row in page.deliveries]
        return cls(deliveries=deliveries, next_cursor=page.next_cursor)


def _delivery(row: Delivery, page: DeliveryPage) -> DeliveryOut:
    return DeliveryOut(
        id=row.id,
        type=row.type,
        job=row.job_id,
        batch=row.batch_id,
        url=row.url,
        body=json.loads(row.body),
        status=row.status,
        created_at=row.created_at,
        next_try_at=row.due_at if row.status is DeliveryStatus.PENDING else None,
        tries=[DeliveryTryOut.of(one) for one in page.tries[row.id]],
    )
