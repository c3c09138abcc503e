"""Client of a Shrutlekh service: Hindi recordings to text on your own machines.

    from shrutlekh import ShrutlekhClient

    with ShrutlekhClient("http://127.0.0.1:8000") as client:
        job = client.wait_for(client.submit("interview.wav").id)
        print(client.transcript(job.id)["text"])

:class:`AsyncShrutlekhClient` has the same methods as coroutines. All errors derive from :class:`ClientError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from shrutlekh_contract.options import RecognitionOptions

if TYPE_CHECKING:
    from shrutlekh.answers import (
        Audio,
        Batch,
        BatchPage,
        Job,
        JobError,
        JobPage,
        JobWarning,
        Readiness,
        Revision,
        Skipped,
        StoredFile,
        WarningSpan,
    )
    from shrutlekh.async_client import AsyncShrutlekhClient
    from shrutlekh.client import ShrutlekhClient
    from shrutlekh.errors import (
        ApiError,
        ApiKeyUnusable,
        ClientError,
        InvalidUrl,
        NotShrutlekh,
        RecordingUnreadable,
        Unreachable,
    )
    from shrutlekh.events import (
        BatchEnded,
        BatchEvent,
        BatchProgressed,
        JobEnded,
        JobErased,
        JobEvent,
        Progressed,
        SegmentSaved,
        StatusChanged,
    )
    from shrutlekh.live import LiveDone, LivePartial, LiveReady, LiveSegment, LiveSession, LiveSessionEnded
    from shrutlekh.retries import NO_RETRIES, PATIENT, Retries

# Imported at first use, so that `shrutlekh --help` does not wait for httpx and pydantic.
_HOMES = {
    "answers": (
        "Audio",
        "Batch",
        "BatchPage",
        "Job",
        "JobError",
        "JobPage",
        "JobWarning",
        "Readiness",
        "Revision",
        "Skipped",
        "StoredFile",
        "WarningSpan",
    ),
    "async_client": ("AsyncShrutlekhClient",),
    "client": ("ShrutlekhClient",),
    "errors": (
        "ApiError",
        "ApiKeyUnusable",
        "ClientError",
        "InvalidUrl",
        "NotShrutlekh",
        "RecordingUnreadable",
        "Unreachable",
    ),
    "events": (
        "BatchEnded",
        "BatchEvent",
        "BatchProgressed",
        "JobEnded",
        "JobErased",
        "JobEvent",
        "Progressed",
        "SegmentSaved",
        "StatusChanged",
    ),
    "live": ("LiveDone", "LivePartial", "LiveReady", "LiveSegment", "LiveSession", "LiveSessionEnded"),
    "retries": ("NO_RETRIES", "PATIENT", "Retries"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "NO_RETRIES",
    "PATIENT",
    "ApiError",
    "ApiKeyUnusable",
    "AsyncShrutlekhClient",
    "Audio",
    "Batch",
    "BatchEnded",
    "BatchEvent",
    "BatchPage",
    "BatchProgressed",
    "ClientError",
    "InvalidUrl",
    "Job",
    "JobEnded",
    "JobErased",
    "JobError",
    "JobEvent",
    "JobPage",
    "JobWarning",
    "LiveDone",
    "LivePartial",
    "LiveReady",
    "LiveSegment",
    "LiveSession",
    "LiveSessionEnded",
    "NotShrutlekh",
    "Progressed",
    "Readiness",
    "RecognitionOptions",
    "RecordingUnreadable",
    "Retries",
    "Revision",
    "SegmentSaved",
    "ShrutlekhClient",
    "Skipped",
    "StatusChanged",
    "StoredFile",
    "Unreachable",
    "WarningSpan",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | set(__all__))
