"""Where Prometheus reads what is counted.

The processes of a worker's pool count in memory-mapped files of one folder, and the parent adds them up:
prometheus-client's multiprocess mode. What a process counted stays in the sum when it dies.
"""

import os
import shutil
import sys
import tempfile
from typing import Final

_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"


def share_counts() -> None:
    """Count over all processes to come. To be called before anything imports prometheus-client."""
    os.environ[_FOLDER] = tempfile.mkdtemp(prefix="shrutlekh-metrics-")


def serve_or_exit(host: str, port: int) -> None:
    """Answer on ``/metrics`` from a thread; port 0 serves nothing.

    Raises:
        SystemExit: the port cannot be opened; it says so.
    """
    if not port:
        return
    from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = REGISTRY
    if _FOLDER in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    try:
        start_http_server(port, host, registry)
    except OSError as error:
        sys.exit(f"Port {port} for metrics can't be opened: {error}")


def stop_sharing() -> None:
    """Remove the files."""
    folder = os.environ.pop(_FOLDER, None)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
