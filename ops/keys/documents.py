"""Keys as JSON documents and as words, never with their secrets."""

from datetime import datetime
from typing import Any

from ops.admin.documents import written
from shared.keys import ApiKey


def key_document(key: ApiKey, moment: datetime) -> dict[str, Any]:
    """A key's row, without its hash."""
    return {
        "prefix": key.prefix,
        "name": key.name,
        "scopes": key.scopes,
        "tenant": key.tenant,
        "state": state_of(key, moment),
        "created_at": written(key.created_at),
        "expires_at": written(key.expires_at),
        "revoked_at": written(key.revoked_at),
        "limits": {
            "requests_per_minute": key.requests_per_minute,
            "jobs_waiting": key.jobs_waiting,
            "audio_hours_per_day": key.audio_hours_per_day,
        },
    }


def state_of(key: ApiKey, moment: datetime) -> str:
    """Return ``valid``, ``revoked`` or ``expired``."""
    if key.revoked_at is not None:
        return "revoked"
    return "valid" if key.is_valid(moment) else "expired"


def limits_of(key: ApiKey) -> str:
    """Return the limits that the key has of its own; empty if the service's apply."""
    limits = {
        "requests/min": key.requests_per_minute,
        "jobs waiting": key.jobs_waiting,
        "audio h/day": key.audio_hours_per_day,
    }
    return ", ".join(f"{value or 'unlimited'} {name}" for name, value in limits.items() if value is not None)


def day_of(moment: datetime | None) -> str:
    """Return the date in UTC; empty for None."""
    return "" if moment is None else moment.date().isoformat()
