"""The findings of checks: a verdict, a sentence, and advice."""

import enum
from collections.abc import Callable
from dataclasses import dataclass

from shrutlekh.quantities import counted

from ops.installation import Installation

CHECK_SECONDS = 10.0


class Verdict(enum.StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"  # works, but needs attention
    PROBLEM = "problem"  # does not work
    SKIPPED = "skipped"  # cannot be checked here, or because another check failed


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
    """A finding: ``sentence`` describes the state, ``advice`` says what to do (empty if nothing)."""

    verdict: Verdict
    sentence: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A check of one thing.

    Attributes:
        needs: names of checks that must succeed first; otherwise this one is skipped.
        seconds: timeout.
    """

    area: Area
    name: str
    examine: "Callable[[Installation], Finding]"
    needs: tuple[str, ...] = ()
    seconds: float = CHECK_SECONDS


@dataclass(frozen=True, slots=True)
class Result:
    """A finished check, its finding and its duration."""

    area: Area
    name: str
    finding: Finding
    seconds: float


def ok(sentence: str) -> Finding:
    """All is well."""
    return Finding(Verdict.OK, sentence)


def warning(sentence: str, advice: str) -> Finding:
    """It works, but needs attention."""
    return Finding(Verdict.WARNING, sentence, advice)


def problem(sentence: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(Verdict.PROBLEM, sentence, advice)


def skipped(sentence: str) -> Finding:
    """It cannot be checked."""
    return Finding(Verdict.SKIPPED, sentence)


def processes(count: int) -> str:
    """Format a number of worker processes."""
    return counted(count, "worker process", "worker processes")
