"""``shrutlekh delete``."""

from shrutlekh.client import ShrutlekhClient
from shrutlekh.commands.options import ApiKeyFile, Url
from shrutlekh.commands.several_jobs import JobIds, for_each


def delete(job_ids: JobIds, url: Url = "http://127.0.0.1:8000", api_key_file: ApiKeyFile = None) -> None:
    """Cancel queued or running jobs; erase finished ones with their recordings."""
    for_each(url, api_key_file, job_ids, _delete)


def _delete(client: ShrutlekhClient, job_id: str) -> str:
    job = client.delete(job_id)
    if job is None:
        return "erased"
    return "cancelled" if job.status == "cancelled" else "will be cancelled"
