"""The findings as a table for people and as JSON for machines."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from shrutlekh.quantities import counted

from ops.doctor.examination import worst
from ops.doctor.findings import Result, Verdict

SIGNS = {Verdict.OK: "✓", Verdict.WARNING: "!", Verdict.PROBLEM: "✗", Verdict.SKIPPED: "–"}
STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.PROBLEM: "bold red", Verdict.SKIPPED: "dim"}


def document(results: Sequence[Result]) -> dict[str, Any]:
    """What ``--json`` prints."""
    counts = Counter(result.finding.verdict for result in results)
    return {
        "verdict": worst(results).value,
        "counts": {verdict.value: counts[verdict] for verdict in Verdict},
        "findings": [
            {
                "area": result.area.value,
                "check": result.name,
                "verdict": result.finding.verdict.value,
                "finding": result.finding.sentence,
                "advice": result.finding.advice or None,
                "seconds": round(result.seconds, 3),
            }
            for result in results
        ],
    }


def show(results: Sequence[Result], console: Console) -> None:
    """Print the table, and a summary below it."""
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    area = None
    for result in results:
        if result.area is not area:
            table.add_row("", Text(result.area.value.upper(), "bold dim"), "")
            area = result.area
        verdict, said = result.finding.verdict, Text(result.finding.sentence)
        if result.finding.advice:
            said.append(f"\n→ {result.finding.advice}", "italic")
        table.add_row(Text(SIGNS[verdict], STYLES[verdict]), Text(result.name), said)
    console.print(table)
    console.print(Text(_sum(results), STYLES[worst(results)]))


def _sum(results: Sequence[Result]) -> str:
    counts = Counter(result.finding.verdict for result in results)
    found = [
        counted(counts[verdict], verdict.value)
        for verdict in (Verdict.PROBLEM, Verdict.WARNING)
        if counts[verdict]
    ]
    left = f"; {counted(counts[Verdict.SKIPPED], 'check')} skipped" if counts[Verdict.SKIPPED] else ""
    return f"{' and '.join(found) if found else f'All is well ({len(results)} checks)'}{left}."
