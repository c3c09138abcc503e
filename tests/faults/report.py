"""What a person gets to see: progress, a table of the faults, the findings."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rich.console import Console
from rich.table import Table

from tests.faults.faults import FAULTS
from tests.faults.ledger import JobRow
from tests.faults.run import Result
from tests.faults.script import Injected

SHOWN = 20


@dataclass(slots=True)
class Recovery:
    """Seconds of all injections of one fault.

    ``service``: from the end of the fault to the next result. ``claim``, ``job``: from the blow to the next
    attempt at the job that the worker had in hand, and to its end.
    """

    times: int = 0
    service: list[float] = field(default_factory=list)
    claim: list[float] = field(default_factory=list)
    job: list[float] = field(default_factory=list)


def recoveries(results: Sequence[Result]) -> dict[str, Recovery]:
    """By fault."""
    found: dict[str, Recovery] = defaultdict(Recovery)
    for result in results:
        successes = sorted(row.at for job in result.jobs for row in job.events if row.event == "succeeded")
        jobs = {job.id: job for job in result.jobs}
        for injected in result.injected:
            one = found[injected.fault.name]
            one.times += 1
            _add(one, injected, successes, jobs.get(injected.blow.held) if injected.blow.held else None)
    return found


def _add(one: Recovery, injected: Injected, successes: list[datetime], job: JobRow | None) -> None:
    blow = injected.blow
    if blow.ended is not None:
        after = [moment for moment in successes if moment > blow.ended]
        if after:
            one.service.append((after[0] - blow.ended).total_seconds())
    if job is None or blow.struck is None:
        return
    for event, where in (("claimed", one.claim), ("succeeded", one.job)):
        moments = [row.at for row in job.events if row.event == event and row.at > blow.struck]
        if moments:
            where.append((moments[0] - blow.struck).total_seconds())


def table(results: Sequence[Result]) -> Table:
    """A row for each fault."""
    rows = Table("fault", title="Seconds until all is well again: median, worst")
    for column in ("times", "next result", "its job claimed", "and done"):
        rows.add_column(column, justify="right")
    found = recoveries(results)
    for name in FAULTS:
        if name in found:
            one = found[name]
            rows.add_row(name, str(one.times), _both(one.service), _both(one.claim), _both(one.job))
    return rows


def _both(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.1f}  {max(seconds):.1f}" if seconds else ""


def line(result: Result) -> str:
    """A run in one line."""
    claims = sum(row.event == "claimed" for job in result.jobs for row in job.events)
    verdict = "all well" if not result.findings else f"{len(result.findings)} FINDINGS"
    return (
        f"seed {result.plan.seed} on {result.plan.database}: {verdict}; {len(result.injected)} faults, "
        f"{len(result.jobs)} jobs in {claims} attempts and {result.tries} submissions, "
        f"{result.seconds:.0f} s; files well {result.mending_seconds:.0f} s later, "
        f"{result.webhook_tries} webhooks sent and all told {result.telling_seconds:.0f} s after that"
    )


def findings(console: Console, result: Result) -> None:
    """What does not hold, with what is needed to find out why."""
    jobs = {job.id: job for job in result.jobs}
    console.print(f"\nseed {result.plan.seed} on {result.plan.database}", style="bold red")
    for finding in result.findings[:SHOWN]:
        console.print(f"- {f'job {finding.job}: ' if finding.job else ''}{finding.what}", markup=False)
        if finding.job in jobs:
            for row in jobs[finding.job].events:
                console.print(
                    f"    {row.at:%H:%M:%S.%f} {row.event} {row.source} -> {row.target}, "
                    f"attempt {row.attempt} {row.code or ''}",
                    markup=False,
                    highlight=False,
                )
    if len(result.findings) > SHOWN:
        console.print(f"... and {len(result.findings) - SHOWN} more")
    for injected in sorted(result.injected, key=lambda one: str(one.blow.struck)):
        blow = injected.blow
        console.print(
            f"  {blow.struck:%H:%M:%S.%f} to {blow.ended:%H:%M:%S.%f} {injected.fault.name} "
            f"{blow.target} {blow.held or ''} {' '.join(blow.notes)}"
            if blow.struck and blow.ended
            else f"  {injected.fault.name}: {injected.error!r}",
            markup=False,
            highlight=False,
        )
    console.print(f"Logs: {result.plan.folder}", highlight=False)


def details(console: Console, result: Result) -> None:
    """What clients were answered, and what was logged."""
    answers = ", ".join(f"{count} x {answer}" for answer, count in sorted(result.answers.items()))
    console.print(f"  answers: {answers}", highlight=False)
    for kind, count in result.log_kinds.most_common():
        console.print(f"  logged {count} x {kind}", markup=False, highlight=False)
