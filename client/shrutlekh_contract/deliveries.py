"""The states of a webhook's delivery."""

from enum import StrEnum


class DeliveryStatus(StrEnum):
    """The states of a webhook's delivery."""

    PENDING = "pending"  # to be tried, or tried again
    DELIVERED = "delivered"  # the receiver answered with 2xx
    GIVEN_UP = "given_up"  # the last try failed, or the receiver answered with 410
