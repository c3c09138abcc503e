"""Stores to test, and looks at what they hold beside complete files."""

import secrets
from pathlib import Path

from shared.files import FileStore, FolderStore, open_store
from shared.settings import Settings
from tests.s3_server import S3Server


def s3_store(server: S3Server, folder: Path, endpoint: str | None = None, **settings: object) -> FileStore:
    """Open an empty store on the server. ``endpoint`` may be a proxy to it."""
    values = server.settings(secrets.token_hex(8), endpoint) | settings
    return open_store(Settings(data_dir=folder, **values))


def leftovers(store: FileStore, server: S3Server | None) -> list[str]:
    """Names of partial files, or of unfinished uploads."""
    if isinstance(store, FolderStore):
        return [path.name for path in store.root.rglob("*.part")]
    assert server is not None
    prefix = store.place("").removeprefix("s3://").split("/", 1)[1]
    return [name for name in server.uploads() if name.startswith(prefix)]
