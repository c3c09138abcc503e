"""``python -m tests.faults.folder``: kill the client in the middle of a large folder.

A service starts with an empty database. `shrutlekh submit` is killed (SIGKILL) several times, each time when
another share of the folder has arrived, then runs to its end. Every recording must then have one job, which
succeeded, and its outputs, which were made from its bytes; and a further run skips them all.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.progress import Progress
from shrutlekh import Job, ShrutlekhClient

from ops.demo import SAMPLES, embedded_service

PER_FOLDER = 100
SECONDS = 1.5
CLIENT = "folder"


def make(folder: Path, count: int) -> list[Path]:
    """Write recordings of 1.5 seconds, no two alike: excerpts of the samples with a little noise."""
    random = np.random.default_rng(3)
    clips = [soundfile.read(path, dtype="int16") for path in sorted(SAMPLES.glob("*.wav"))]
    paths = []
    for number in range(count):
        samples, rate = clips[number % len(clips)]
        length = round(SECONDS * rate)
        begin = random.integers(max(len(samples) - length, 1))
        part = samples[begin : begin + length] // 2
        part = part + random.integers(-2, 3, len(part), np.int16)
        path = folder / f"{number // PER_FOLDER:02d}" / f"{number:05d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, part, rate, subtype="PCM_16")
        paths.append(path)
    return paths


def all_jobs(client: ShrutlekhClient) -> Iterator[Job]:
    """Yield all jobs of the service."""
    cursor = None
    while True:
        page = client.jobs(limit=200, cursor=cursor)
        yield from page.jobs
        cursor = page.next_cursor
        if cursor is None:
            return


def faults_of(client: ShrutlekhClient, paths: list[Path]) -> list[str]:
    """Return a sentence for each thing that is wrong."""
    jobs = list(all_jobs(client))
    statuses = Counter(str(job.status) for job in jobs)
    wrong = []
    if statuses != {"succeeded": len(paths)}:
        wrong.append(f"{len(paths)} recordings have these jobs: {dict(statuses)}")
    per_digest = Counter(job.file.sha256 for job in jobs)
    ids = {job.file.sha256: job.id for job in jobs}
    for path in paths:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if per_digest[digest] != 1:
            wrong.append(f"{path.name} has {per_digest[digest]} jobs")
            continue
        outputs = [path.with_suffix(f".{kind}") for kind in ("txt", "json", "png")]
        missing = [output.suffix for output in outputs if not output.is_file()]
        if missing:
            wrong.append(f"{path.name} has no {', '.join(missing)}")
            continue
        document = json.loads(outputs[1].read_bytes())
        if (document["file"]["sha256"], document["job"]) != (digest, ids[digest]):
            wrong.append(f"{path.name} has the text of another job")
    left = [path.name for path in paths[0].parents[1].rglob("*.job")]
    if left:
        wrong.append(f"{len(left)} NAME.job are left, the first: {left[0]}")
    return wrong


def main() -> None:
    """Run, print, and exit with 1 if something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.folder", description=__doc__)
    parser.add_argument("--recordings", type=int, default=2000, help="default 2000")
    parser.add_argument("--kills", type=int, default=3, help="default 3")
    arguments = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="folder-") as temporary:
        folder = Path(temporary)
        paths = make(folder / "recordings", arguments.recordings)
        with embedded_service(folder / "data") as url, ShrutlekhClient(url) as client:
            began = time.monotonic()
            lines = submit(console, client, url, folder / "recordings", arguments)
            seconds = time.monotonic() - began
            wrong = faults_of(client, paths)
            again = run_to_the_end(url, folder / "recordings")
        if again[-1] != f"{len(paths)} skipped.":
            wrong.append(f"a further run said: {again[-1]}")
    for line in lines:
        console.print(line, highlight=False, markup=False)
    for sentence in wrong[:20]:
        console.print(sentence, style="red", markup=False)
    console.print(
        f"{len(paths)} recordings, {arguments.kills} kills, {seconds:.0f} s: "
        + ("each transcribed once" if not wrong else f"{len(wrong)} faults"),
        highlight=False,
    )
    sys.exit(1 if wrong else 0)


def submit(
    console: Console, client: ShrutlekhClient, url: str, folder: Path, arguments: argparse.Namespace
) -> list[str]:
    """Submit the folder, with kills at equal shares. Returns what each run has said at its end."""
    said = []
    shares = [(kill + 1) / (arguments.kills + 1) for kill in range(arguments.kills)]
    with Progress(console=console) as bar:
        task = bar.add_task("arrived", total=arguments.recordings)
        for share in shares:
            with subprocess.Popen(
                _command(url, folder), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            ) as run:
                while (arrived := _arrived(client)) < share * arguments.recordings:
                    if run.poll() is not None:
                        raise SystemExit(f"The run ended by itself with {run.returncode}.")
                    bar.update(task, completed=arrived)
                    time.sleep(0.02)
                run.send_signal(signal.SIGKILL)
            texts = len(list(folder.rglob("*.json")))
            said.append(f"killed when {arrived} had arrived and {texts} had their text")
        said.append(f"then: {run_to_the_end(url, folder)[-1]}")
        bar.update(task, completed=_arrived(client))
    return said


def run_to_the_end(url: str, folder: Path) -> list[str]:
    """Run `submit` and return the lines that it wrote on stderr.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    done = subprocess.run(_command(url, folder), check=True, stderr=subprocess.PIPE, text=True)
    return done.stderr.splitlines()


def _command(url: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", "ops", "submit", str(folder), "--url", url, "--client", CLIENT]


def _arrived(client: ShrutlekhClient) -> int:
    counts = client.jobs(limit=1, counts=True).counts or {}
    return sum(counts.values())


if __name__ == "__main__":
    os.environ.setdefault("SHRUTLEKH_DISK_RESERVE_BYTES", "0")
    main()
