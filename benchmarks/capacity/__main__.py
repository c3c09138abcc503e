"""``make capacity``: measure the service beside its simulation, and compute the capacity plan.

``measure`` runs the service with 1, 2 and 3 worker processes, calibrates the simulation before and after each
run, and prints both (under 8 minutes; the machine should do nothing else). ``plan`` prints the tables of
docs/capacity.md from docs/records/capacity.json.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.capacity.database_load import ceilings
from benchmarks.capacity.driver import OnEnd
from benchmarks.capacity.measurement import Extent, api_costs, measured
from benchmarks.capacity.picture import draw
from benchmarks.capacity.record import FOREIGN_AT_MOST, Record, machine, read, write
from benchmarks.capacity.tables import plan_tables, record_tables
from benchmarks.recordings import ROOT

DATA = ROOT / "docs" / "records" / "capacity.json"
DOCUMENT = ROOT / "docs" / "capacity.md"
PICTURE = ROOT / "docs" / "images" / "capacity-waits.svg"
QUICK = Extent(seconds=12.0, burst=40, alone=10)


def main() -> None:
    """Run a part."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.capacity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(dest="part", required=True)
    measure = parts.add_parser("measure", help="run the service and the simulation")
    measure.add_argument("--quick", action="store_true", help="a minute or two: shows that it works")
    measure.add_argument("--processes", type=int, nargs="+", default=[1, 2, 3], help="default 1 2 3")
    measure.add_argument("--load", type=float, default=Extent().load, help="of the processes (default 0.65)")
    measure.add_argument("--seconds", type=float, help=f"of arrivals (default {Extent().seconds:.0f})")
    measure.add_argument(
        "--record", type=Path, metavar="FILE", help=f"write the tables into this document and {DATA.name}"
    )
    measure.add_argument(
        "--anyway", action="store_true", help="write them even if other programs used the machine"
    )
    plan = parts.add_parser("plan", help="print the tables of the capacity plan")
    plan.add_argument("--data", type=Path, default=DATA, help="measurements (default docs/records)")
    plan.add_argument("--write", action="store_true", help="write the tables into docs/capacity.md")
    arguments = parser.parse_args()
    if arguments.part == "plan":
        tables = plan_tables(read(arguments.data))
        if arguments.write:
            write(DOCUMENT, tables)
        else:
            print("\n\n".join(tables.values()))
        return
    record = _measure(arguments)
    print("\n\n".join(record_tables(record).values()))
    _save(record, arguments)


def _measure(arguments: argparse.Namespace) -> Record:
    chosen = QUICK if arguments.quick else Extent()
    seconds = arguments.seconds or chosen.seconds
    extent = Extent(seconds, arguments.load, chosen.burst, chosen.alone, chosen.longer)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as temporary,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        folder = Path(temporary)
        task = progress.add_task("jobs", total=None)

        def say(name: str) -> OnEnd:
            progress.update(task, description=name)
            return lambda: progress.advance(task)

        api = api_costs(folder / "api", 10 if arguments.quick else 40, say)
        say("Postgres")
        database = list(ceilings(folder / "ceiling", (1, 4, 8), 1.0 if arguments.quick else 4.0))
        rounds = [
            measured(processes, folder / str(processes), extent, say) for processes in arguments.processes
        ]
    return Record(machine(), extent, rounds, api, database)


def _save(record: Record, arguments: argparse.Namespace) -> None:
    busy = [one for one in record.rounds if one.foreign > FOREIGN_AT_MOST]
    if busy:
        worst = max(one.foreign for one in busy)
        print(f"\nOther programs used up to {worst:.0%} of the cores: the comparison says little.")
    if arguments.record:
        if busy and not arguments.anyway:
            sys.exit("Nothing was written. Measure again while the machine is quiet, or add --anyway.")
        record.save(DATA)
        saved = read(DATA)
        write(arguments.record, record_tables(saved))
        write(DOCUMENT, plan_tables(saved))
        draw(saved, PICTURE)


if __name__ == "__main__":
    main()
