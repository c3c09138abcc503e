"""Webhooks: the secret that signs them, the log of their deliveries, and delivering one again."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from shrutlekh_contract.deliveries import DeliveryStatus

from api.http.dependencies import Limit, Reading, ServicesDep, Submitting
from api.http.openapi import problems
from api.http.webhook_schemas import DeliveryOut, DeliveryPageOut, SigningSecretOut
from shared.errors import DatabaseUnavailable, DeliveryNotFound, InvalidRequest
from shared.webhooks import (
    DeliverySelection,
    deliver_again,
    page_of_deliveries,
    rotate_secret,
    signing_secret,
)

JSON = "application/json"
NO_STORE = {"Cache-Control": "no-store"}

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

DeliveryId = Annotated[uuid.UUID, Path(description="The delivery's id.")]
JobFilter = Annotated[uuid.UUID | None, Query(description="Only webhooks about this job.")]
BatchFilter = Annotated[uuid.UUID | None, Query(description="Only webhooks about this job batch.")]
DeliveryStatusFilter = Annotated[DeliveryStatus | None, Query(description="Only deliveries in this state.")]
DeliveryCursor = Annotated[uuid.UUID | None, Query(description="`next_cursor` of the previous page.")]


@router.get("/secret", response_model=SigningSecretOut, responses=problems(DatabaseUnavailable))
async def show_webhook_secret(services: ServicesDep, caller: Submitting) -> Response:
    """Show the secret that webhooks are signed with. It is made at the first need.

    This takes the scope `submit`: whoever has the secret can send webhooks that look like the service's.
    """

    def read() -> SigningSecretOut:
        with services.database.write() as session:
            return SigningSecretOut.of(signing_secret(session, caller.tenant))

    secret = await services.threads.write(read)
    return Response(secret.model_dump_json(), 200, NO_STORE, JSON)


@router.post("/secret/rotate", response_model=SigningSecretOut, responses=problems(DatabaseUnavailable))
async def rotate_webhook_secret(services: ServicesDep, caller: Submitting) -> Response:
    """Replace the secret. For a day, webhooks are signed with both."""

    def rotate() -> SigningSecretOut:
        with services.database.write() as session:
            return SigningSecretOut.of(rotate_secret(session, caller.tenant))

    secret = await services.threads.write(rotate)
    return Response(secret.model_dump_json(), 200, NO_STORE, JSON)


@router.get(
    "/deliveries", response_model=DeliveryPageOut, responses=problems(InvalidRequest, DatabaseUnavailable)
)
async def list_deliveries(
    services: ServicesDep,
    caller: Reading,
    job: JobFilter = None,
    batch: BatchFilter = None,
    status: DeliveryStatusFilter = None,
    cursor: DeliveryCursor = None,
    limit: Limit = 50,
) -> Response:
    """List the deliveries of webhooks, newest first, each with its tries."""
    selection = DeliverySelection(caller.sees, job, batch, status)

    def read() -> DeliveryPageOut:
        with services.database.snapshot() as session:
            return DeliveryPageOut.of(page_of_deliveries(session, selection, limit=limit, cursor=cursor))

    page = await services.threads.read(read)
    return Response(page.model_dump_json(), 200, {"Cache-Control": "private, no-cache"}, JSON)


@router.post(
    "/deliveries/{delivery_id}/retry",
    status_code=202,
    response_model=DeliveryOut,
    responses={
        202: {"description": "The webhook is about to be delivered again, with its former `webhook-id`."},
        **problems(InvalidRequest, DeliveryNotFound, DatabaseUnavailable),
    },
)
async def retry_delivery(services: ServicesDep, caller: Submitting, delivery_id: DeliveryId) -> Response:
    """Deliver a webhook again, whether or not it was delivered."""

    def again() -> DeliveryOut:
        with services.database.write() as session:
            page = deliver_again(session, delivery_id, caller.sees)
            return DeliveryPageOut.of(page).deliveries[0]

    delivery = await services.threads.write(again)
    return Response(delivery.model_dump_json(), 202, None, JSON)
