"""What is broken when: drawn from the seed alone, and then done."""

import random
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.faults.faults import FAULTS, Blow, Fault
from tests.faults.service import Service
from tests.faults.submitters import Submitters

PAUSES = (1.3, 2.2)
SHORT_PAUSES = (0.6, 1.1)
MORE_FAULTS = 13  # beyond one of each kind
LOCKED_SECONDS = (3.0, 6.0)


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault, ``pause`` seconds after the one before, and what is random about it."""

    fault: Fault
    pause: float
    target: int
    flavour: float
    seconds: float


def plan(seed: int, database: str, *, short: bool, disk: bool, files: str = "folder") -> list[Planned]:
    """At least one fault of each kind that is possible here, in an order that the seed gives."""
    rng = random.Random(f"faults {seed}")
    possible = [
        fault
        for fault in FAULTS.values()
        if database in fault.databases
        and (disk or not fault.needs_disk)
        and (files == "s3" or not fault.needs_bucket)
    ]
    chosen = possible + ([] if short else rng.choices(possible, k=MORE_FAULTS))
    rng.shuffle(chosen)
    return [
        Planned(
            fault,
            pause=round(rng.uniform(*(SHORT_PAUSES if short else PAUSES)), 2),
            target=rng.randrange(6),
            flavour=rng.random(),
            seconds=round(rng.uniform(*LOCKED_SECONDS), 1),
        )
        for fault in chosen
    ]


@dataclass(slots=True)
class Injected:
    """A fault that was injected: how it went, and the exception of the harness itself if it did not."""

    fault: Fault
    blow: Blow
    error: BaseException | None = None


class Script(threading.Thread):
    """Injects the plan; faults of different victims overlap, as the longer ones last."""

    def __init__(self, planned: list[Planned], service: Service, submitters: Submitters) -> None:
        super().__init__(name="script", daemon=True)
        self.injected: list[Injected] = []
        self.done = 0
        self._planned = planned
        self._service = service
        self._submitters = submitters
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def run(self) -> None:
        threads = []
        for planned in self._planned:
            time.sleep(planned.pause)
            thread = threading.Thread(target=self._inject, args=(planned,), daemon=True)
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()

    def _inject(self, planned: Planned) -> None:
        blow = Blow(self._service, self._submitters, planned.target, planned.flavour, planned.seconds)
        victim = str(getattr(blow, planned.fault.victim, planned.fault.victim))
        injected = Injected(planned.fault, blow)
        with self._locks[victim]:
            try:
                planned.fault.inject(blow)
            except Exception as error:  # noqa: BLE001 - reported with the verdict
                injected.error = error
            blow.ended = datetime.now(UTC)
        self.injected.append(injected)
        self.done += 1


def seconds(planned: list[Planned]) -> float:
    """How long the plan takes to begin all its faults."""
    return sum(one.pause for one in planned)
