"""What a person gets to see: how many files of each kind were read and refused, and what does not hold."""

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.fuzz.mutations import Case
from tests.fuzz.pool import Ended
from tests.fuzz.verdict import Finding

SHOWN = 20
FOLDER = Path(__file__).resolve().parents[2] / ".work" / "fuzz"

Outcomes = Sequence[tuple[Case, Ended]]


@dataclass(frozen=True, slots=True)
class Exploded:
    """What became of a bomb."""

    name: str
    size: int
    ended: Ended
    peak_bytes: int


def table(title: str, outcomes: Outcomes, kind: Callable[[Case], str]) -> Table:
    """A row for each kind of case: how many there were, and how they ended."""
    counts: defaultdict[str, Counter[str | None]] = defaultdict(Counter)
    slowest: defaultdict[str, float] = defaultdict(float)
    for case, ended in outcomes:
        counts[kind(case)][ended.code] += 1
        slowest[kind(case)] = max(slowest[kind(case)], ended.took)
    codes = sorted({code for counter in counts.values() for code in counter if code is not None})
    rows = Table(title)
    for column in ("files", "read", *codes, "slowest"):
        rows.add_column(column.removeprefix("audio_"), justify="right")
    for name, counter in [*sorted(counts.items()), ("all", sum(counts.values(), Counter[str | None]()))]:
        numbers = [counter.total(), counter[None], *(counter[code] for code in codes)]
        longest = slowest[name] if name != "all" else max(slowest.values(), default=0.0)
        rows.add_row(name, *(str(number or "") for number in numbers), f"{longest:.2f} s")
    return rows


def bombs(exploded: Sequence[Exploded]) -> Table:
    """A row for each bomb."""
    rows = Table()
    rows.add_column("hostile file", no_wrap=True)
    for column in ("bytes", "took", "peak"):
        rows.add_column(column, justify="right")
    rows.add_column("outcome", no_wrap=True)
    for one in exploded:
        outcome = one.ended.code or f"{one.ended.seconds or 0:.1f} s of audio"
        memory = f"{one.peak_bytes / 2**20:.0f} MB"
        rows.add_row(one.name, f"{one.size:,}", f"{one.ended.took:.2f} s", memory, outcome)
    return rows


def findings(console: Console, found: Sequence[Finding]) -> None:
    """What does not hold; the files are kept."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for number, finding in enumerate(found):
        (FOLDER / f"{number:03d}").write_bytes(finding.content)
        if number < SHOWN:
            console.print(
                f"{FOLDER.name}/{number:03d}: {finding.name} {finding.what}", style="red", markup=False
            )
    if len(found) > SHOWN:
        console.print(f"... and {len(found) - SHOWN} more")
