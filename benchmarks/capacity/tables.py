"""Markdown tables of the record and of the plan."""

from benchmarks.capacity.record import Record


def record_tables(record: Record) -> dict[str, str]:
    """Return the tables of the record, by the names of their blocks."""
    return {"comparison": _comparison(record), "calibration": _calibration(record), "costs": _costs(record)}


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


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
    busy = max(one.foreign for one in record.rounds)
    note = (
        f"{record.machine}. Largest error {100 * worst:.1f} %. Other programs used at most {100 * busy:.1f} % "
        "of the cores during a run."
    )
    return f"{markdown(head, rows)}\n\n{note}"


def _calibration(record: Record) -> str:
    head = ["processes", "service, alone", "scatter", "speed of each", "wake", "pause", "in a group", "drift"]
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
    for one in record.database:
        rows.append(
            [
                f"Postgres, {one.clients} clients: commits a second (syncs of the log; CPU of a commit)",
                f"{one.commits:.0f} ({one.syncs:.0f}; {one.postgres_ms:.2f} ms)",
            ]
        )
    for round_ in record.rounds:
        used, jobs = round_.arrivals, round_.jobs
        rows.append(
            [
                f"a job, {round_.processes} processes: CPU of API, Postgres, Redis, sweeper; commands of Redis",
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
    raise NotImplementedError
