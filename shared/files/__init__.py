"""The stored recordings: in a folder, or in a bucket of S3-compatible storage."""

from shared.files.folder import FolderStore
from shared.files.store import FileDamaged, FileStore, Interrupted, OpenFile, Spool, StoredFile, Upload
from shared.settings import Settings

__all__ = [
    "FileDamaged",
    "FileStore",
    "FolderStore",
    "Interrupted",
    "OpenFile",
    "Spool",
    "StoredFile",
    "Upload",
    "open_store",
]


def open_store(settings: Settings, *, reserve_bytes: int = 0) -> FileStore:
    """Return the store that the settings name. It need not be reachable yet.

    Args:
        settings: the service's settings.
        reserve_bytes: disk space to leave free, for processes that receive uploads.
    """
    if not settings.files_url:
        return FolderStore(settings.files_dir, reserve_bytes)
    from shared.files.s3 import open_s3  # the SDK takes 0.2 seconds and 30 MB

    return open_s3(settings, reserve_bytes)
