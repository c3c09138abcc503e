"""All runs of one call, each shown when it is over, and the table of them all."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from shared.logs import configure_logging
from shared.settings import Settings
from tests.faults import recordings, report
from tests.faults.run import Plan, Result, run
from tests.faults.run import Progress as HowFar

DISTINCT = 40
SHORT_DISTINCT = 20


def campaign(
    console: Console,
    seeds: Sequence[int],
    databases: Sequence[str],
    jobs: int,
    disk: Path | None,
    *,
    files: str,
    short: bool,
    verbose: bool,
) -> bool:
    """Run each seed on each database; True when nothing was found."""
    settings = Settings()
    configure_logging("CRITICAL")  # what the harness's own part of the service finds away is no news
    with tempfile.TemporaryDirectory(prefix="faults-recordings-") as folder:
        with console.status("The recordings, and their text in peace"):
            count = min(jobs, SHORT_DISTINCT if short else DISTINCT)
            made = recordings.make(Path(folder), count, settings.models_dir / settings.default_model)
        results = [
            _shown(console, Plan(seed, database, jobs, short, disk, made, files), verbose=verbose)
            for seed in seeds
            for database in databases
        ]
    _conclude(console, results)
    return not any(result.findings for result in results)


def _shown(console: Console, plan: Plan, *, verbose: bool) -> Result:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        title = f"seed {plan.seed} on {plan.database}"
        accepted = bars.add_task(f"{title}: accepted", total=plan.jobs)
        succeeded = bars.add_task("succeeded", total=plan.jobs)
        faults = bars.add_task("faults", total=None)

        def tell(far: HowFar) -> None:
            bars.update(accepted, completed=far.accepted)
            bars.update(succeeded, completed=far.succeeded)
            bars.update(faults, completed=far.injected, total=far.faults)

        result = run(plan, tell)
    console.print(report.line(result), highlight=False)
    if verbose:
        report.details(console, result)
    if result.findings:
        report.findings(console, result)
    return result


def _conclude(console: Console, results: Sequence[Result]) -> None:
    console.print(report.table(results))
    jobs = sum(len(result.jobs) for result in results)
    injected = [one for result in results for one in result.injected]
    claims = sum(row.event == "claimed" for result in results for job in result.jobs for row in job.events)
    console.print(
        f"{jobs} jobs, {claims - jobs} attempts repeated, "
        f"{sum(one.blow.saved > 0 for one in injected)} of them from where the one before was cut off, "
        f"{len(injected)} faults, "
        f"{sum(result.seconds for result in results):.0f} s",
        highlight=False,
    )
