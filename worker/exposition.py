"""Serve the metrics to Prometheus.

A worker uses prometheus-client's multiprocess mode: its pool processes count in memory-mapped files in one
folder, and the parent sums them up. The counts of a process that died stay in the sum.
"""

import os
import shutil
import sys
import tempfile
from typing import Final

_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"


def share_counts() -> None:
    """Enable multiprocess mode. Call it before anything imports prometheus-client."""
    os.environ[_FOLDER] = tempfile.mkdtemp(prefix="shrutlekh-metrics-")


def serve_or_exit(host: str, port: int) -> None:
    """Serve ``/metrics`` from a thread. Port 0 serves nothing.

    Raises:
        SystemExit: the port cannot be opened. Its message says why.
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
    """Delete the files of multiprocess mode."""
    folder = os.environ.pop(_FOLDER, None)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
