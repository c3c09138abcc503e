import subprocess
import sys
import threading
import time

import pytest

from worker.watchdog import EXIT_STATUS, Watchdog


class Bitten:
    """What a watchdog did."""

    def __init__(self) -> None:
        self.limits: list[float] = []
        self.ended = threading.Event()

    def watchdog(self, base: float, per_audio_second: float = 0.0) -> Watchdog:
        return Watchdog(
            base, per_audio_second, 60.0, self.limits.append, lambda: False, lambda _: self.ended.set()
        )


def test_an_attempt_in_time_is_left_alone() -> None:
    bitten = Bitten()
    for _ in range(20):
        with bitten.watchdog(30.0) as watchdog:
            watchdog.heard(1.0)
    assert not [thread for thread in threading.enumerate() if thread.name == "watchdog"]
    assert bitten.limits == []


def test_one_that_takes_too_long_is_handed_back_and_the_process_ends() -> None:
    bitten = Bitten()
    with bitten.watchdog(0.05):
        assert bitten.ended.wait(30)
    assert bitten.limits == [0.05]


def test_the_limit_grows_with_the_audio() -> None:
    bitten = Bitten()
    began = time.monotonic()
    with bitten.watchdog(0.05, per_audio_second=0.1) as watchdog:
        watchdog.heard(5.0)
        assert bitten.ended.wait(30)
    assert bitten.limits == [pytest.approx(0.55)]
    assert time.monotonic() - began >= 0.5


def test_the_process_ends_even_if_the_job_cannot_be_handed_back() -> None:
    ended = threading.Event()

    def fail(_: float) -> None:
        raise RuntimeError

    with Watchdog(0.05, 0.0, 60.0, fail, lambda: False, lambda _: ended.set()):
        assert ended.wait(30)


def test_a_silent_attempt_that_is_lost_ends_before_its_limit() -> None:
    ended, asked = threading.Event(), []

    def is_lost() -> bool:
        asked.append(True)
        return len(asked) >= 3

    with Watchdog(600.0, 0.0, 0.05, pytest.fail, is_lost, lambda _: ended.set()):
        assert ended.wait(30)
    assert len(asked) == 4


def test_one_that_was_frozen_may_find_out_by_itself() -> None:
    ended, asked = threading.Event(), threading.Event()

    def is_lost() -> bool:
        asked.set()
        return True

    with Watchdog(600.0, 0.0, 4.0, pytest.fail, is_lost, lambda _: ended.set()) as watchdog:
        assert asked.wait(30)
        watchdog.heard(1.0)  # its next step, which ends the attempt
    assert not ended.is_set()


FROZEN = """
import ctypes, sys, threading, time
from worker.watchdog import Watchdog
with Watchdog(0.2, 0.0, 0.3, lambda limit: print("handed back", flush=True), lambda: False):
    {harm}
"""


@pytest.mark.parametrize(
    ("harm", "handed_back"),
    [("while True: pass", True), ("while True: ctypes.PyDLL(None).sleep(1000)", False)],
    ids=["in Python", "without letting go of the interpreter"],
)
def test_a_real_process_ends_whatever_hangs(harm: str, handed_back: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FROZEN.format(harm=harm)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == EXIT_STATUS
    assert ("handed back" in done.stdout) == handed_back
    assert ("Timeout (" in done.stderr) != handed_back
