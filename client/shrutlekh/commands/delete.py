"""``shrutlekh delete``."""

from typing import TYPE_CHECKING

from shrutlekh.commands.each import JobIds, for_each
from shrutlekh.commands.options import Url

if TYPE_CHECKING:
    from shrutlekh.client import ShrutlekhClient


def delete(job_ids: JobIds, url: Url = "http://127.0.0.1:8000") -> None:
    """Cancel jobs that wait or run, and erase finished ones with their recordings."""
    for_each(url, job_ids, _delete)


def _delete(client: "ShrutlekhClient", job_id: str) -> str:
    job = client.delete(job_id)
    if job is None:
        return "erased"
    return "cancelled" if job.status == "cancelled" else "will be cancelled"
