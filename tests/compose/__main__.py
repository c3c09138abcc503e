"""``make compose-test``: the stack of docker-compose.yml, built, run, hurt, upgraded, saved and put back."""

import argparse
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.compose.engine import NoEngine, find_engine
from tests.compose.project import ROOT, Project
from tests.compose.steps import PASSWORD, Run

SHORT_COUNT = 8


def main() -> int:
    """Run the steps; 0 when all went well."""
    parser = argparse.ArgumentParser(prog="make compose-test", description=__doc__)
    parser.add_argument("--count", type=int, default=40, help="recordings of 2 to 60 s (default: 40)")
    parser.add_argument("--short", action="store_true", help=f"{SHORT_COUNT} recordings, fewer steps")
    parser.add_argument("--keep", action="store_true", help="leave the stack as it is after a failure")
    arguments = parser.parse_args()
    try:
        engine = find_engine(ROOT)
    except NoEngine as error:
        print(error)
        return 2
    settings = {
        "POSTGRES_PASSWORD": PASSWORD,
        "WORKER_CPUS": "1",
        "SHRUTLEKH_LEASE_SECONDS": "5",
        "SHRUTLEKH_SWEEP_SECONDS": "1",
    }
    with tempfile.TemporaryDirectory(prefix="shrutlekh-compose-") as name:
        project = Project(engine, Path(name), settings)
        run = Run(project, Path(name), SHORT_COUNT if arguments.short else arguments.count)
        steps: list[Callable[[], str]] = [
            run.config, run.build, run.previous, run.up, run.upgraded, run.submit, run.kill, run.scale,
            run.finish, run.doctor, run.drain, run.backup, run.restore, run.down,
        ]  # fmt: skip
        if arguments.short:
            steps = [run.config, run.build, run.up, run.submit, run.kill, run.finish, run.down]
        began = time.monotonic()
        for step in steps:
            start = time.monotonic()
            try:
                outcome = step()
            except Exception:  # noqa: BLE001 - whatever it was, the logs help and the stack must go
                traceback.print_exc()
                print(f"\n{step.__name__}: FAILED after {time.monotonic() - start:.1f} s")
                _show_logs(project)
                if not arguments.keep:
                    project.remove()
                return 1
            print(f"{step.__name__:10} {time.monotonic() - start:6.1f} s  {outcome}", flush=True)
    print(f"{'together':10} {time.monotonic() - began:6.1f} s")
    return 0


def _show_logs(project: Project) -> None:
    try:
        print(project.compose("ps", "--all"))
        print(project.compose("logs", "--tail", "20"))
    except subprocess.CalledProcessError as error:
        print(error)


if __name__ == "__main__":
    raise SystemExit(main())
