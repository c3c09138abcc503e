"""A process of the embedded service: it has its own process group and log, and ends with its parent."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

PR_SET_PDEATHSIG = 1
LOG_BYTES = 10 * 1024**2


@dataclass(slots=True, eq=False)
class Child:
    """A program that can be started, stopped and started again.

    Attributes:
        title: its name in messages, such as "the worker".
        log: file to which its output is appended. None: the parent's stderr.
    """

    title: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path | None
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _log_start: int = field(default=0, init=False)

    def start(self) -> None:
        """Start the program in a new process group, so that a terminal's Ctrl-C does not reach it."""
        output: BinaryIO | int = sys.stderr.fileno() if self.log is None else self._open_log(self.log)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
                preexec_fn=die_with_parent(os.getpid()),
            )
        finally:
            if not isinstance(output, int):
                output.close()

    def exit_code(self) -> int | None:
        """The exit code, or None while the program runs. Processes that it leaves behind are killed."""
        if self._process is None or self._process.returncode is not None:
            return None if self._process is None else self._process.returncode
        # Until the process is reaped, its process id cannot be reused.
        if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            return None
        self._signal_group(signal.SIGKILL)
        return self._process.wait()

    @property
    def running(self) -> bool:
        """Whether the program was started and has not ended."""
        return self._process is not None and self.exit_code() is None

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self.running and self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """Kill the program and everything that it started."""
        if self.running and self._process is not None:
            self._signal_group(signal.SIGKILL)
            self._process.wait()

    def last_lines(self, count: int = 20) -> str:
        """The last lines that the program wrote since its last start; empty without a log file."""
        if self.log is None:
            return ""
        with self.log.open("rb") as file:
            file.seek(max(self._log_start, self.log.stat().st_size - 16384))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-count:])

    def _open_log(self, path: Path) -> BinaryIO:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            if path.stat().st_size > LOG_BYTES:
                path.replace(path.with_suffix(".log.1"))
        file = path.open("ab")
        self._log_start = file.tell()
        return file

    def _signal_group(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of the dead
                os.killpg(self._process.pid, number)


def die_with_parent(parent: int) -> Callable[[], None] | None:
    """A ``preexec_fn``: the kernel terminates the child when the parent dies. None outside Linux."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the request took effect
            os._exit(1)

    return prepare
