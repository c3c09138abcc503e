"""``make fuzz``: mutated and hostile media files through a real worker pool.

Every file ends in a coded failure that is the recording's own or in an honest result: no process of the pool
dies, none wants more than a gigabyte, none takes longer than its time. What does not hold is printed and its
file kept under .work/fuzz.
"""

import argparse
import signal
import sys
import time

from rich.console import Console
from rich.progress import Progress

from tests.fuzz.bombs import BOMBS, SLOW
from tests.fuzz.mutations import cases
from tests.fuzz.pool import MEMORY_BYTES, Pool, pool
from tests.fuzz.report import Exploded, Outcomes, bombs, findings, table
from tests.fuzz.seeds import make_seeds
from tests.fuzz.verdict import Finding, of_any, of_case

COUNT, SHORT_COUNT = 2_000, 240
WAVE = 40
WIDTH = 100
BOMB_SECONDS = 1_800.0


def main() -> None:
    """Run, print, and exit with 1 if something did not hold."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left running
    console = Console()
    console.width = max(console.width, WIDTH)
    began = time.monotonic()
    found: list[Finding] = []
    count = arguments.count or (SHORT_COUNT if arguments.short else COUNT)
    with pool() as running, Progress(console=console, transient=True) as progress:
        outcomes = _mutated(running, progress, found, count, arguments.seed)
        exploded = _bombs(running, progress, found, arguments.short)
        running.look()
        alive = running.service.processes[0].poll() is None
    console.print(table("format", outcomes, lambda case: case.seed.name))
    console.print(table("mutation", outcomes, lambda case: case.mutation))
    console.print(bombs(exploded))
    findings(console, found)
    console.print(
        f"seed {arguments.seed}: {len(outcomes)} mutated and {len(exploded)} hostile files in "
        f"{time.monotonic() - began:.0f} s; most memory of a process {running.peak_bytes / 2**20:.0f} MB "
        f"(its ceiling {MEMORY_BYTES / 2**20:.0f} MB); {running.deaths} processes of the pool died; "
        f"the worker is {'alive' if alive else 'DEAD'}; {len(found)} findings",
        highlight=False,
    )
    sys.exit(1 if found or running.deaths or not alive else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=7, help="draws the mutations (default 7)")
    parser.add_argument("--count", type=int, help=f"mutated files (default {COUNT}, short {SHORT_COUNT})")
    parser.add_argument("--short", action="store_true", help="fewer files, none of the hours that take long")
    return parser.parse_args()


def _mutated(running: Pool, progress: Progress, found: list[Finding], count: int, seed: int) -> Outcomes:
    seeds = make_seeds()
    originals = {}
    for one, ended in zip(seeds, running.run([one.content for one in seeds]), strict=True):
        originals[one.name] = ended
        if ended.code is not None:
            found.append(Finding(one.name, f"is in order, but: {ended.message}", one.content))
    outcomes = []
    chosen = cases(seeds, count, seed)
    task = progress.add_task("mutated files", total=count)
    for begin in range(0, count, WAVE):
        wave = chosen[begin : begin + WAVE]
        for case, ended in zip(wave, running.run([case.content for case in wave]), strict=True):
            found += of_case(case, ended, originals)
            outcomes.append((case, ended))
        progress.update(task, completed=len(outcomes))
    return outcomes


def _bombs(running: Pool, progress: Progress, found: list[Finding], short: bool) -> list[Exploded]:
    exploded = []
    chosen = {name: make for name, make in BOMBS.items() if not (short and name in SLOW)}
    task = progress.add_task("hostile files", total=len(chosen))
    for name, make in chosen.items():
        content = make()
        (ended,) = running.run([content], BOMB_SECONDS)
        exploded.append(Exploded(name, len(content), ended, running.last_peak_bytes))
        found += of_any(name, content, ended)
        progress.advance(task)
    return exploded


if __name__ == "__main__":
    main()
