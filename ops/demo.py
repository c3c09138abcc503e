"""``python -m ops.demo``: run the whole service on this machine and transcribe ``samples/``."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text
from shrutlekh import ShrutlekhClient
from shrutlekh.bulk import Options, Outcome, Submission, plan
from shrutlekh.errors import ClientError

from ops.errors import StartFailed
from ops.service.child import die_with_parent

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
DATA = Path(".demo")
STOP_SECONDS = 90.0


def main() -> None:
    """Transcribe the samples. The exit status is 0 if all succeeded."""
    console = Console()
    try:
        fine = run(console, SAMPLES, DATA)
    except ClientError as error:
        console.print(f"Error: {error.message}", style="red", markup=False)
        fine = False
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if fine else 1)


def run(console: Console, samples: Path, data: Path) -> bool:
    """Start a service in ``data``, transcribe the recordings in ``samples``, print the texts, stop it.

    Raises:
        ClientError: the service does not start or does not stop cleanly, or there are no samples.
    """
    recordings = plan([samples], data / "out")
    if not recordings:
        raise ClientError(f"{samples} contains no recordings.")
    options = Options(force=True, in_flight=len(recordings), formats=frozenset({"srt"}))
    with embedded_service(data) as url, ShrutlekhClient(url, api_key="") as client:
        console.print(f"A service runs at {url}. Submitting {len(recordings)} recordings.", highlight=False)
        with closing(Submission(client, recordings, options).run()) as events:
            outcomes = sorted(
                (event for event in events if isinstance(event, Outcome)), key=lambda outcome: outcome.source
            )
    console.print(table(outcomes))
    console.print(f"Texts, word times, subtitles and pictures are in {data / 'out'}:", highlight=False)
    for outcome in outcomes:
        if "png" in outcome.outputs:
            console.print(f"  {outcome.outputs['png']}", markup=False, highlight=False)
    console.print(
        "\nNow your own recordings: run `shrutlekh serve` here and `shrutlekh submit FOLDER` in another "
        "terminal,\nor `shrutlekh transcribe FILE` without a service.",
        highlight=False,
    )
    return all(outcome.status == "succeeded" for outcome in outcomes)


@contextmanager
def embedded_service(data: Path, tree: Path | None = None) -> Iterator[str]:
    """Run a service during the block and yield its URL.

    Args:
        data: its data folder.
        tree: source tree to run it from; None for this one.

    Raises:
        StartFailed: the service does not start, or does not stop cleanly.
    """
    command = [sys.executable, "-m", "ops", "serve", "--port", "0", "--data", str(data.absolute())]
    source = {} if tree is None else {"PYTHONPATH": os.pathsep.join((str(tree), str(tree / "client")))}
    with subprocess.Popen(  # noqa: S603 - our own command, no shell
        command,
        stdout=subprocess.PIPE,
        text=True,
        # The samples are tiny, so run even on a nearly full disk. No keys: only this machine reaches it.
        env={
            "SHRUTLEKH_DISK_RESERVE_BYTES": "0",
            **os.environ,
            "SHRUTLEKH_REQUIRE_KEYS": "never",
            **source,
        },
        cwd=tree,
        process_group=0,
        preexec_fn=die_with_parent(os.getpid()),
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if " at " not in line:
                raise StartFailed("The service did not start; the reason is above.")
            yield line.rsplit(" at ", 1)[1].strip()
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
    if process.returncode != 0:
        raise StartFailed(f"The service stopped with exit status {process.returncode}.")


def table(outcomes: list[Outcome]) -> Table:
    """Make a table with the text of each recording. The factor is processing time divided by audio time."""
    rows = Table("recording", "text")
    rows.add_column("audio", justify="right")
    rows.add_column("real-time factor", justify="right")
    for outcome in outcomes:
        factor = ""
        if outcome.seconds and outcome.processing_seconds is not None:
            factor = f"{outcome.processing_seconds / outcome.seconds:.4f}"
        rows.add_row(
            Path(outcome.source).name,
            Text(": ".join(outcome.error) if outcome.error else outcome.text or ""),
            "" if outcome.seconds is None else f"{outcome.seconds:.2f} s",
            factor,
        )
    return rows


if __name__ == "__main__":
    main()
