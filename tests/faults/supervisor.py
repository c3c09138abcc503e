"""Starts programs and starts again what dies, as systemd or compose would."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ops.service.child import die_with_parent

RESTART_SECONDS = 0.3
LOOK_SECONDS = 0.03


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. ``user`` is another system user, for Postgres, which refuses to be root."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    user: str | None = None
    is_service: bool = True
    """False for the servers of others, which may fail to start while their dead self is cleared away."""


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of a process: ``code`` is negative for a signal; ``meant`` if the harness brought it about."""

    name: str
    pid: int
    code: int
    meant: bool


@dataclass(slots=True)
class _Slot:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    due: float = 0.0
    meant: set[int] = field(default_factory=set)


class Supervisor:
    """All starts happen in one thread that lives as long as the programs: the kernel ends them with it."""

    def __init__(self) -> None:
        self.exits: list[Exit] = []
        self._slots: dict[str, _Slot] = {}
        self._changed = threading.Condition(threading.RLock())
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor")
        self._thread.start()

    def add(self, program: Program) -> None:
        """Run this from now on."""
        with self._changed:
            self._slots[program.name] = _Slot(program)

    def pid(self, name: str, seconds: float = 90.0) -> int:
        """Process id of a program, as soon as it runs.

        Raises:
            TimeoutError: it does not.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._slots[name].process is not None, seconds):
                raise TimeoutError(f"{name} does not start")
            process = self._slots[name].process
            assert process is not None
            return process.pid

    def signal(self, name: str, number: signal.Signals, *codes: int, group: bool = False) -> int:
        """Send a signal; ending with one of ``codes`` is then no surprise. The process id it went to."""
        with self._changed:
            pid = self.pid(name)
            self._slots[name].meant |= set(codes)
            # It was not reaped, as that takes the lock: the number is still its own.
            with suppress(ProcessLookupError):
                (os.killpg if group else os.kill)(pid, number)
            return pid

    def stop(self, names: Sequence[str], seconds: float = 20.0) -> None:
        """End programs in order, for good; what does not end in time is killed."""
        with self._changed:
            slots = [self._slots[name] for name in names]
            for slot in slots:
                slot.due = float("inf")
                slot.meant |= {0, -signal.SIGTERM}
                if slot.process is not None:
                    slot.process.terminate()
            if not self._changed.wait_for(lambda: all(slot.process is None for slot in slots), seconds):
                for slot in slots:
                    if slot.process is not None:
                        os.killpg(slot.process.pid, signal.SIGKILL)
                self._changed.wait_for(lambda: all(slot.process is None for slot in slots), seconds)

    def close(self) -> None:
        """Kill whatever still runs."""
        with self._changed:
            for slot in self._slots.values():
                slot.due = float("inf")
                if slot.process is not None:
                    with suppress(ProcessLookupError):
                        os.killpg(slot.process.pid, signal.SIGKILL)
            self._changed.wait_for(lambda: all(slot.process is None for slot in self._slots.values()), 10.0)
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            with self._changed:
                for slot in self._slots.values():
                    if slot.process is not None:
                        self._look(slot, slot.process)
                    elif slot.due <= time.monotonic():
                        slot.meant.clear()
                        slot.process = _start(slot.program)
                        self._changed.notify_all()

    def _look(self, slot: _Slot, process: subprocess.Popen[bytes]) -> None:
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            return
        # What it leaves behind goes with it, as systemd does with a service's cgroup.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        if slot.program.is_service:
            self.exits.append(Exit(slot.program.name, process.pid, code, code in slot.meant))
        slot.process = None
        slot.due = max(slot.due, time.monotonic() + RESTART_SECONDS)
        self._changed.notify_all()


def _start(program: Program) -> subprocess.Popen[bytes]:
    program.log.parent.mkdir(parents=True, exist_ok=True)
    with program.log.open("ab") as log:
        return subprocess.Popen(
            program.command,
            env=program.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=program.user,
            process_group=0,
            preexec_fn=die_with_parent(os.getpid()),
        )
