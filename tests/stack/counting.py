"""Count what the service asks of database, Redis, ONNX Runtime and disk, in this process.

The instruments stay installed, and count only within :func:`counted`.
"""

import re
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Any

import onnxruntime
import redis.asyncio.connection
import redis.connection
from sqlalchemy import Engine, event

STATEMENTS = "SQL statements"
TRANSACTIONS = "SQL transactions that write"
ROUND_TRIPS = "Redis round trips"
GRAPH_RUNS = "runs of the graph"
DETECTOR_RUNS = "runs of the voice detector"
FILES = "files opened"
READ = "bytes read"
WRITTEN = "bytes written"

# Statements that begin and end transactions are not counted: Postgres' driver sends its own unseen.
CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA")
COMMANDS = re.compile(rb"\*\d+\r\n\$\d+\r\n(\w+)\r\n")
# What connections send when they are new or idle.
OF_CONNECTIONS = frozenset(b"PING HELLO CLIENT SELECT AUTH SUBSCRIBE UNSUBSCRIBE".split())


class Tally:
    """What was counted. Files and bytes only below the folders."""

    def __init__(self, *folders: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._folders = tuple(f"{folder.resolve()}/" for folder in folders)
        self._lock = threading.Lock()

    def add(self, what: str) -> None:
        """Count one more."""
        with self._lock:
            self.counts[what] += 1

    def opened(self, path: object) -> None:
        """Count a file that Python opens, if it is in one of the folders."""
        if isinstance(path, str) and path.startswith(self._folders):
            self.add(FILES)


_tallies: list[Tally] = []
_paused = threading.local()


@contextmanager
def counted(tally: Tally) -> Iterator[Tally]:
    """Add to the tally what happens within the block, in all threads."""
    _install()
    before = _bytes()
    _tallies.append(tally)
    try:
        yield tally
    finally:
        _tallies.remove(tally)
        after = _bytes()
        for what, number in after.items():
            tally.counts[what] += number - before[what]


@contextmanager
def uncounted() -> Iterator[None]:
    """Count nothing that this thread does within the block."""
    _paused.is_set = True
    try:
        yield
    finally:
        _paused.is_set = False


def _bytes() -> dict[str, int]:
    """Bytes that this process has read and written so far, from and to files."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines())
    return {READ: int(lines["rchar"]), WRITTEN: int(lines["wchar"])}


def _count(what: str) -> None:
    if getattr(_paused, "is_set", False):
        return
    for tally in _tallies:
        tally.add(what)


@cache
def _install() -> None:
    event.listen(Engine, "before_cursor_execute", _on_statement)
    event.listen(Engine, "commit", lambda _: _count(TRANSACTIONS))
    for connection in (redis.connection.AbstractConnection, redis.asyncio.connection.AbstractConnection):
        _wrap(connection, "send_packed_command", _on_command)
    for method in ("run", "run_with_iobinding"):
        _wrap(onnxruntime.InferenceSession, method, _on_run)
    sys.addaudithook(_on_audit)


def _wrap(owner: type, method: str, before: Callable[..., None]) -> None:
    original: Callable[..., Any | Awaitable[Any]] = getattr(owner, method)

    @wraps(original)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        if _tallies:
            before(*arguments, **named)
        return original(*arguments, **named)

    setattr(owner, method, wrapped)


def _on_statement(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    if not statement.startswith(CONTROL):
        _count(STATEMENTS)


def _on_command(_connection: Any, command: bytes | list[bytes], *_: Any, **__: Any) -> None:
    sent = COMMANDS.findall(command if isinstance(command, bytes) else b"".join(command))
    if not set(sent) <= OF_CONNECTIONS:
        _count(ROUND_TRIPS)


def _on_run(session: Any, *_: Any, **__: Any) -> None:
    inputs = {node.name for node in session.get_inputs()}
    _count(DETECTOR_RUNS if "spectra" in inputs else GRAPH_RUNS)


def _on_audit(name: str, arguments: tuple[Any, ...]) -> None:
    if name == "open" and _tallies:
        for tally in _tallies:
            tally.opened(arguments[0])
