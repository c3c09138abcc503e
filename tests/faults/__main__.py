"""``make faults``: kill, freeze, flush and fill in the middle of many jobs; each must end once, whole.

The service runs as processes of its own on a real Redis and a real Postgres, then on SQLite, under a
supervisor that starts again whatever dies. Clients submit recordings while faults that the seed draws are
injected. At the end every job has succeeded once, with the text that it has in peace.
"""

import argparse
import os
import signal
import sys

from rich.console import Console

from tests.faults.servers import own_disk

DATABASES = ("postgres", "sqlite")
JOBS, SHORT_JOBS = 200, 40


def main() -> None:
    """Run, print, and exit with 1 if something did not hold."""
    arguments = _arguments()
    console = Console()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left running
    disk = own_disk()
    if disk is None:
        if os.environ.get("CI"):
            sys.exit("No small disk can be mounted (neither root nor user namespaces), and CI must have one.")
        console.print("No small disk can be mounted here: the fault of a full disk is left out.")

    from tests.faults.campaign import campaign  # takes seconds, and own_disk() starts the program again

    fine = campaign(
        console,
        seeds=range(arguments.seed, arguments.seed + arguments.seeds),
        databases=DATABASES if arguments.database == "both" else (arguments.database,),
        jobs=arguments.jobs or (SHORT_JOBS if arguments.short else JOBS),
        disk=disk,
        files=arguments.files,
        short=arguments.short,
        verbose=arguments.verbose,
    )
    sys.exit(0 if fine else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=7, help="draws the faults and their order (default 7)")
    parser.add_argument("--seeds", type=int, default=1, help="so many runs, with seeds from --seed on")
    parser.add_argument("--jobs", type=int, help="recordings to submit (default 200; 40 with --short)")
    parser.add_argument("--database", choices=[*DATABASES, "both"], default="both", help="default both")
    parser.add_argument("--files", choices=["folder", "s3"], default="folder", help="default folder")
    parser.add_argument("--short", action="store_true", help="each fault once, in quick succession")
    parser.add_argument("--verbose", action="store_true", help="also show answers and log entries by kind")
    return parser.parse_args()


if __name__ == "__main__":
    main()
