"""``shrutlekh retry``."""

from shrutlekh.commands.options import ApiKeyFile, Url
from shrutlekh.commands.several_jobs import JobIds, for_each


def retry(job_ids: JobIds, url: Url = "http://127.0.0.1:8000", api_key_file: ApiKeyFile = None) -> None:
    """Retry jobs that failed or were cancelled."""
    for_each(url, api_key_file, job_ids, lambda client, job_id: client.retry(job_id).status)
