"""Cursors: where the next page of a list begins that is ordered by time of creation and id."""

import base64
import binascii
import uuid
from datetime import UTC, datetime
from typing import Protocol

from shared.errors import InvalidRequest


class Row(Protocol):
    """What a cursor is made of."""

    @property
    def created_at(self) -> datetime:
        """When the row was inserted."""

    @property
    def id(self) -> uuid.UUID:
        """Tells rows of the same moment apart."""


def encode_cursor(row: Row) -> str:
    """Return the cursor of the page after this row."""
    return base64.urlsafe_b64encode(f"{row.created_at.isoformat()} {row.id}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, uuid.UUID]:
    """Return the time and id of the row before the page.

    Raises:
        InvalidRequest: the cursor is malformed.
    """
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, _, row_id = plain.partition(" ")
        created_at = datetime.fromisoformat(moment)
        if created_at.tzinfo is None:
            raise ValueError("no zone")
        return created_at.astimezone(UTC), uuid.UUID(row_id)
    except (ValueError, OverflowError, binascii.Error) as error:  # overflow: year 1 east of Greenwich
        raise InvalidRequest("The cursor is invalid. Use the `next_cursor` of a previous page.") from error
