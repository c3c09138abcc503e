"""What a check finds: a verdict, a sentence, and what to do."""

import enum
from collections.abc import Callable
from dataclasses import dataclass

from shrutlekh.quantities import counted

from ops.installation import Installation

CHECK_SECONDS = 10.0


class Verdict(enum.StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"  # works, but somebody should look
    PROBLEM = "problem"  # does not work
    SKIPPED = "skipped"  # cannot be told, because of something else or on this machine


class Area(enum.StrEnum):
    """The parts of an installation."""

    MACHINE = "machine"
    DATA = "data"
    DATABASE = "database"
    REDIS = "redis"
    WORKERS = "workers"
    MODEL = "model"
    JOBS = "jobs"
    RECORDINGS = "recordings"
    EXPOSURE = "exposure"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Finding:
    """``sentence`` says what is, ``advice`` what to do; no advice where nothing is to be done."""

    verdict: Verdict
    sentence: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One look at one thing.

    Attributes:
        needs: names of checks without whose success this one would only repeat their finding.
        seconds: after which it is given up.
    """

    area: Area
    name: str
    examine: "Callable[[Installation], Finding]"
    needs: tuple[str, ...] = ()
    seconds: float = CHECK_SECONDS


@dataclass(frozen=True, slots=True)
class Result:
    """A check that was made, what it found and how long that took."""

    area: Area
    name: str
    finding: Finding
    seconds: float


def ok(sentence: str) -> Finding:
    """All is well."""
    return Finding(Verdict.OK, sentence)


def warning(sentence: str, advice: str) -> Finding:
    """It works, but somebody should look."""
    return Finding(Verdict.WARNING, sentence, advice)


def problem(sentence: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(Verdict.PROBLEM, sentence, advice)


def skipped(sentence: str) -> Finding:
    """It cannot be told."""
    return Finding(Verdict.SKIPPED, sentence)


def processes(count: int) -> str:
    """A number of worker processes."""
    return counted(count, "worker process", "worker processes")
