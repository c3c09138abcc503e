"""Markdown tables of the record and of the plan."""

from math import ceil

from benchmarks.capacity.arrivals import MIXES
from benchmarks.capacity.plan import FILLED, Bottleneck, Costs, Need, Setup, steps
from benchmarks.capacity.prices import cost_of
from benchmarks.capacity.record import FOREIGN_AT_MOST, Record


def record_tables(record: Record) -> dict[str, str]:
    """Return the tables of the record, by the names of their blocks."""
    return {"comparison": _comparison(record), "calibration": _calibration(record), "costs": _costs(record)}


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def amount(value: float) -> str:
    """Return a number with three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _comparison(record: Record) -> str:
    rows = []
    worst = 0.0
    for one in record.rounds:
        for title, found in (
            (f"{one.rate:.2f} a second, {one.jobs} jobs", one.over_time),
            (f"{record.extent.burst} at once", one.burst),
        ):
            for figure in found.figures:
                worst = max(worst, abs(figure.error))
                rows.append(
                    [
                        str(one.processes),
                        title,
                        figure.name,
                        f"{figure.measured:.3f}",
                        f"{figure.simulated:.3f} ({figure.low:.3f} to {figure.high:.3f})",
                        f"{100 * figure.error:+.1f} %",
                    ]
                )
    head = ["processes", "arrivals", "figure", "measured", "simulated (9 in 10 of 40)", "error"]
    return f"{markdown(head, rows)}\n\nLargest error {100 * worst:.1f} %. {_circumstances(record)}"


def _circumstances(record: Record) -> str:
    """Say where it was measured, and whether the machine did something else."""
    busy = max(one.foreign for one in record.rounds)
    note = f"Measured on {record.machine}. Other programs used at most {busy:.1%} of the cores during a run"
    return f"{note}." if busy <= FOREIGN_AT_MOST else f"**{note}, so measure again on a quiet machine.**"


def _calibration(record: Record) -> str:
    head = ["processes", "service, alone", "scatter", "speed of each", "without uploads"]
    head += ["wake", "pause", "in a group", "drift"]
    rows = []
    for one in record.rounds:
        found = one.calibration
        mean = sum(found.scatter) / len(found.scatter)
        spread = (sum((value - mean) ** 2 for value in found.scatter) / len(found.scatter)) ** 0.5
        rows.append(
            [
                str(one.processes),
                f"{1000 * found.base:.0f} ms + {1000 * found.per_second:.1f} ms a second of audio",
                f"{100 * spread:.0f} %",
                ", ".join(f"{speed:.2f}" for speed in found.speeds),
                ", ".join(f"{speed:.2f}" for speed in found.quiet_speeds),
                *(
                    f"{1000 * value:.1f} ms"
                    for value in (found.wake_seconds, found.pause_seconds, found.grouped_pause_seconds)
                ),
                f"{100 * one.drift:+.1f} %",
            ]
        )
    return markdown(head, rows)


def _costs(record: Record) -> str:
    rows = [
        ["API: CPU of an upload of a clip", f"{record.api.submit:.1f} ms"],
        ["API: CPU of a look at status, transcript and picture", f"{record.api.read:.1f} ms"],
        ["API: CPU of each further megabyte of an upload", f"{record.api.megabyte:.1f} ms"],
    ]
    rows += [
        [
            f"Postgres, {one.clients} clients: commits a second (syncs of the log; CPU of a commit)",
            f"{one.commits:.0f} ({one.syncs:.0f}; {one.postgres_ms:.2f} ms)",
        ]
        for one in record.database
    ]
    for round_ in record.rounds:
        used, jobs = round_.arrivals, round_.jobs
        rows.append(
            [
                f"a job, {round_.processes} processes: CPU of API, Postgres, Redis, sweeper; Redis commands",
                ", ".join(
                    f"{1000 * used.cpu_seconds.get(kind, 0.0) / jobs:.1f}"
                    for kind in ("api", "postgres", "redis-server", "worker.sweeper")
                )
                + f" ms; {used.redis_commands / jobs:.0f}",
            ]
        )
    return markdown(["what", "measured"], rows)


def plan_tables(record: Record) -> dict[str, str]:
    """Return the tables of the plan, by the names of their blocks."""
    found = {"inputs": _inputs(record)}
    for mix in MIXES:
        costs = Costs(record, mix)
        walked = steps(costs)
        found[f"needs of {mix.name}"] = _needs([need for need, _, _ in walked])
        found[f"bottlenecks of {mix.name}"] = _bottlenecks(walked)
        found[f"costs of {mix.name}"] = _prices(walked)
    return found


def _inputs(record: Record) -> str:
    rows = []
    for mix in MIXES:
        costs = Costs(record, mix)
        rows.append(
            [
                f"{mix.name}: recordings of {mix.seconds / 60:.0f} minutes on average",
                f"{mix.peak:.2f}",
                f"{mix.megabytes:.0f} MB",
                f"{costs.service:.2f} s",
                f"{mix.seconds / costs.service:.0f}",
                f"{1000 * costs.api:.0f} ms",
            ]
        )
    head = [
        "mix",
        "busiest hour / mean",
        "an hour of audio",
        "a recording on a core",
        "audio hours a core-hour",
        "API, CPU of a recording",
    ]
    return f"{markdown(head, rows)}\n\n{_circumstances(record)}"


def _needs(needs: list[Need]) -> str:
    head = ["", *(f"{need.hours:,.0f} hours a day" for need in needs)]
    rows = [
        ["recordings a day", *(f"{need.costs.mix.jobs_a_day(need.hours):,.0f}" for need in needs)],
        ["recordings a second, busiest hour", *(f"{need.jobs:.3g}" for need in needs)],
        ["busy worker processes", *(amount(need.busy) for need in needs)],
        ["**worker cores**", *(f"**{need.cores:,}**" for need in needs)],
        ["wait of 95 in 100, simulated", *(f"{need.wait(need.cores):.1f} s" for need in needs)],
        ["API processes", *(f"{max(ceil(need.api / FILLED), 1)}" for need in needs)],
        ["Postgres commits a second", *(amount(need.commits) for need in needs)],
        ["Postgres connections", *(f"{need.connections(need.cores):,}" for need in needs)],
        ["Redis commands a second", *(amount(need.jobs * need.costs.redis[0]) for need in needs)],
        ["file store, MB a second in and out", *(amount(need.network) for need in needs)],
        ["recordings, GB a day", *(amount(need.stored) for need in needs)],
        ["database, GB a day", *(amount(need.database) for need in needs)],
    ]
    return markdown(head, rows)


def _bottlenecks(walked: list[tuple[Need, list[Bottleneck], Setup]]) -> str:
    head = ["hours a day", "exhausted, first one first", "suffices up to", "arithmetic", "change"]
    rows = []
    for need, exceeded, _ in walked:
        if not exceeded:
            rows.append([f"{need.hours:,.0f}", "nothing", "", "", ""])
        for number, one in enumerate(exceeded):
            name = f"**{one.resource}**" if number == 0 else one.resource
            step = f"{need.hours:,.0f}" if number == 0 else ""
            rows.append([step, name, f"{one.hours:,.0f} hours", one.arithmetic, one.change])
    return markdown(head, rows)


def _prices(walked: list[tuple[Need, list[Bottleneck], Setup]]) -> str:
    head = [
        "hours a day",
        "core-hours an hour of audio",
        "GB-months an hour of audio",
        "cost, example prices",
    ]
    rows = []
    for need, _, setup in walked:
        found = cost_of(need, setup)
        rows.append(
            [
                f"{need.hours:,.0f}",
                f"{found.core_hours:.4f}",
                f"{found.files:.3f} files, {found.database:.4f} database",
                f"{found.total:.4f}",
            ]
        )
    return markdown(head, rows)
