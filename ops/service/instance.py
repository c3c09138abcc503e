"""The folder, the port and the socket that an embedded service occupies."""

import errno
import fcntl
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.errors import StartFailed

SOCKET_PATH_BYTES = 100
"""Longest path of a Unix socket; systems allow 104 to 108 bytes with the final zero."""

URL_SAFE = re.compile(r"[A-Za-z0-9/._-]+")


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Lock the data folder for this process. The lock ends with the process, even if that is killed.

    Raises:
        StartFailed: another process holds the lock, or the folder cannot be created.
    """
    path = data / "serve.lock"
    try:
        data.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise StartFailed(f"The folder {data} cannot be used: {error.strerror or error}.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise StartFailed(
                f"The folder {data} is in use by another `shrutlekh serve` (process {file.read().strip()}). "
                "Stop that one, or choose another folder with --data."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def socket_path(data: Path) -> Iterator[Path]:
    """Yield a path for Redis's socket in a folder that only this user may enter.

    The folder lies in the data folder, unless that path is too long for a socket or needs escaping in a URL.
    Each start uses a new name: a Redis that is shutting down must not remove the socket of the next one.
    """
    run = data / "run"
    name = f"redis-{os.getpid()}.sock"
    if len(str(run / name)) <= SOCKET_PATH_BYTES and URL_SAFE.fullmatch(str(run)):
        run.mkdir(mode=0o700, exist_ok=True)
        run.chmod(0o700)
        for stale in run.glob("redis-*.sock"):
            stale.unlink(missing_ok=True)
    else:
        run = Path(tempfile.mkdtemp(prefix="shrutlekh-"))
    try:
        yield run / name
    finally:
        shutil.rmtree(run, ignore_errors=True)


def free_port(host: str, port: int) -> int:
    """Return the port, or a free one if it is 0.

    Raises:
        StartFailed: the port is in use, or the address does not belong to this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            return int(trial.getsockname()[1])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = (
                f"Port {port} of {host} is in use. Choose another with --port, or --port 0 for any free one."
            )
        else:
            reason = f"Nothing can listen on {host}, port {port}: {error.strerror or error}."
        raise StartFailed(reason) from error


def socket_of(data: Path) -> Path | None:
    """Return Redis's socket if a `shrutlekh serve` runs on the data folder or was killed there, else None."""
    for socket_file in sorted((data.resolve() / "run").glob("redis-*.sock")):
        return socket_file
    try:
        process = int((data / "serve.lock").read_text())
    except (OSError, ValueError):
        return None
    for socket_file in Path(tempfile.gettempdir()).glob(f"shrutlekh-*/redis-{process}.sock"):
        return socket_file
    return None
