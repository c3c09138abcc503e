"""Webhooks: the outbox that they wait in, their signatures, and the log of deliveries.

Import from the package, not from its modules.
"""

from shared.webhooks.delivery_log import DeliveryPage, DeliverySelection, deliver_again, page_of_deliveries
from shared.webhooks.outbox import (
    MOST_TRIES,
    PAUSES,
    Claimed,
    Outcome,
    claim_due,
    count_pending,
    enqueue_batch,
    enqueue_job,
    erase_old,
    give_back,
    hosts_due,
    record,
    renew_claims,
)
from shared.webhooks.signing import headers_of
from shared.webhooks.signing_secrets import OVERLAP, rotate_secret, signing_secret, valid_secrets
from shared.webhooks.tables import Delivery, DeliveryTry, SigningSecret

__all__ = [
    "MOST_TRIES",
    "OVERLAP",
    "PAUSES",
    "Claimed",
    "Delivery",
    "DeliveryPage",
    "DeliverySelection",
    "DeliveryTry",
    "Outcome",
    "SigningSecret",
    "claim_due",
    "count_pending",
    "deliver_again",
    "enqueue_batch",
    "enqueue_job",
    "erase_old",
    "give_back",
    "headers_of",
    "hosts_due",
    "page_of_deliveries",
    "record",
    "renew_claims",
    "rotate_secret",
    "signing_secret",
    "valid_secrets",
]
