"""``python -m tests.worker.poisoned``: a real worker, but recordings that begin with a magic word harm it."""

import ctypes
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np

from speech import Engine
from worker.__main__ import main

PREFIX = b"POISON "


def crash() -> None:
    ctypes.string_at(0)


def be_killed() -> None:
    """As the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def loop() -> None:
    while True:
        pass


def hold_the_interpreter() -> None:
    """Native code that never comes back and never lets another thread run."""
    library = ctypes.PyDLL(None)
    while True:
        library.sleep(1000)


def hoard() -> None:
    """Memory that is never written to: the ceiling counts it, and it costs no time."""
    hoarded = []
    while True:
        hoarded.append(np.empty(2**24, np.uint8))


POISONS = {
    PREFIX + poison.__name__.encode() + b"\n": poison
    for poison in (crash, be_killed, loop, hold_the_interpreter, hoard)
}

if __name__ == "__main__":
    transcribe = Engine.transcribe

    def harmful(engine: Engine, path: Path, **choices: Any) -> Any:
        with path.open("rb") as file:
            poison = POISONS.get(file.readline(100))
        if poison is not None:
            poison()
        return transcribe(engine, path, **choices)

    Engine.transcribe = harmful  # type: ignore[method-assign]
    main()
