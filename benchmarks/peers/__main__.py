"""``make bench PEERS=1``: onnx-asr, sherpa-onnx and faster-whisper against this project, on the same cores.

onnx-asr and sherpa-onnx run the weights of our model; faster-whisper runs Whisper base. The first run
installs them below .work/peers, which needs a network; later runs do not. Every pass is a separate process,
and the programs take turns, so that a machine that slows down favours none.

Columns: CPU and wall-clock seconds per second of audio, medians of the rounds; CPU divided by that of our
engine ("of ours": greedy with the same precision, for Whisper int8 with beam search); seconds to import, load
and warm up; peak memory; word error rate; how many texts equal those of "graph alone" (which must be among
the programs) on the same recordings, after normalisation for scoring.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.peers.environment import WORK, NotInstalled, peers_python, whisper_base
from benchmarks.peers.lineup import ONNX_ASR, OURS, SHERPA_ONNX, WHISPER, Entry, lineup
from benchmarks.peers.passes import Installed, Pass, PassFailed, count_passes, passes
from benchmarks.peers.recording_sets import CLIPS, LONG, WAV, RecordingSet, make_sets
from benchmarks.peers.results import Comparison
from benchmarks.recordings import ROOT, voices
from modelkit.errors import NotExportable
from modelkit.graphs.layouts import export_onnx_asr, export_sherpa_onnx
from speech import NORMALISER, ModelFolder, SpeechError
from speech.segments import silero_model

QUICK_CLIPS, QUICK_MINUTES, MINUTES, ROUNDS = 12, 2.0, 10.0, 3
WARM_RECORDINGS = 4


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        epilog="With make: make bench PEERS=1 ARGS='--quick --json peers.json'.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_CLIPS} clips, {QUICK_MINUTES:.0f} minutes"
    )
    parser.add_argument("--minutes", type=float, help=f"of the long recording (default {MINUTES:.0f})")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"turns of each program (default {ROUNDS})"
    )
    parser.add_argument(
        "--cores", default="1,2", help="numbers of cores, and threads, to measure (default 1,2)"
    )
    parser.add_argument(
        "--sets", default=f"{WAV},{CLIPS},{LONG}", help=f"of {WAV}, {CLIPS}, {LONG} (default all)"
    )
    parser.add_argument(
        "--programs", default="", help='only those whose names contain one of these, such as "onnx-asr,int8"'
    )
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "hi-ctc-base", help="folder")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all figures and texts to this file, too"
    )
    return parser


def main() -> None:
    """Measure and print. Exits with a sentence if something is missing."""
    parser = _parser()
    arguments = parser.parse_args()
    console = Console(stderr=True)
    cores = _cores(parser, arguments.cores)
    names = [name.strip() for name in arguments.sets.split(",")]
    if set(names) - {WAV, CLIPS, LONG} or arguments.rounds < 1:
        parser.error(f"--sets takes {WAV}, {CLIPS}, {LONG}; --rounds takes at least 1")
    if arguments.json is not None and not arguments.json.parent.is_dir():
        parser.error(f"--json: there is no folder {arguments.json.parent}")
    entries = _entries(parser, arguments.programs)
    load = os.getloadavg()[0]
    if load > 0.5:
        console.print(
            f"The load of this machine is {load:.1f}: wall-clock times will be too long.", style="yellow"
        )
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
            folder = Path(temporary)
            clips, minutes = (QUICK_CLIPS, QUICK_MINUTES) if arguments.quick else (None, MINUTES)
            with console.status("making the recordings"):
                sets = make_sets(voices(), folder, arguments.minutes or minutes, clips)
            warm = next(of.paths for of in sets if of.name == WAV)[:WARM_RECORDINGS]
            installed, left_out = _install(arguments.model, entries, folder / "layouts", warm, console)
            entries = [entry for entry in entries if entry.layout in installed.folders]
            chosen = [recordings for recordings in sets if recordings.name in names]
            found, ended = _measured(entries, chosen, cores, arguments.rounds, installed, console)
    except (NotExportable, NotInstalled, SpeechError) as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    comparison = Comparison(found)
    for table in comparison.tables():
        Console(width=150 if not sys.stdout.isatty() else None).print(table)
    if arguments.json is not None:
        document = _document(arguments.model, load) | {
            "left_out": left_out,
            "ended_early": ended,
            "rows": comparison.as_json(),
        }
        arguments.json.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if ended:
        sys.exit(ended)


def _cores(parser: argparse.ArgumentParser, told: str) -> list[list[int]]:
    """Return the CPUs of each measurement."""
    have = (
        sorted(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else list(range(os.cpu_count() or 1))
    )
    try:
        counts = [int(count) for count in told.split(",")]
    except ValueError:
        parser.error("--cores takes numbers, such as 1,2")
    if not all(1 <= count <= len(have) for count in counts):
        parser.error(f"--cores takes numbers from 1 to {len(have)}, the CPUs of this machine")
    return [have[:count] for count in counts]


def _entries(parser: argparse.ArgumentParser, told: str) -> list[Entry]:
    parts = [part.strip() for part in told.split(",") if part.strip()]
    entries = [entry for entry in lineup() if not parts or any(part in entry.name for part in parts)]
    if not entries:
        parser.error("--programs names none of: " + "; ".join(entry.name for entry in lineup()))
    return entries


def _install(
    model: Path, entries: list[Entry], folder: Path, warm: list[str], console: Console
) -> tuple[Installed, dict[str, str]]:
    """Export the model and install the peers. The second result says which peer is left out, and why.

    Raises:
        NotExportable, NotInstalled, SpeechError: the model, or the peers' packages, cannot be used.
    """
    card = ModelFolder.load(model)
    detector = silero_model()
    if detector is None:
        raise NotInstalled("silero-vad, which cuts long recordings, is missing: run `make setup`.")
    folders = {OURS: model}
    left_out: dict[str, str] = {}
    layouts = {entry.layout for entry in entries}
    with console.status("exporting the model"):
        for layout, export in ((ONNX_ASR, export_onnx_asr), (SHERPA_ONNX, export_sherpa_onnx)):
            if layout in layouts:
                folders[layout] = folder / layout
                export(card, folders[layout])
    python = None
    if layouts - {OURS}:
        with console.status(f"installing the peers to {WORK}"):
            python = peers_python()
    if WHISPER in layouts:
        try:
            with console.status("fetching Whisper base"):
                folders[WHISPER] = whisper_base()
        except NotInstalled as error:
            left_out[WHISPER] = str(error)
            console.print(f"{WHISPER} is left out: {error}", style="yellow", markup=False)
    return Installed(python, folders, detector, warm), left_out


def _measured(
    entries: list[Entry],
    sets: list[RecordingSet],
    cores: list[list[int]],
    rounds: int,
    installed: Installed,
    console: Console,
) -> tuple[list[Pass], str]:
    """Measure. The second result says why some passes are missing; "" if none is."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    found = []
    ended = ""
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        step = bar.add_task("starting", total=count_passes(entries, sets, cores, rounds))
        try:
            for done in passes(entries, sets, cores, rounds, installed):
                found.append(done)
                cost = done.report.transcribed.cpu / done.recordings.seconds
                told = f"{done.recordings.name}, {done.cores} core(s), {done.entry.name}: {cost:.4f}"
                bar.update(step, advance=1, description=told)
                if not console.is_terminal:
                    console.print(told, markup=False, highlight=False)
        except PassFailed as error:
            ended = f"Error: {error}"
        except KeyboardInterrupt:
            ended = "Interrupted: only the finished passes are counted."
    return found, ended


def _document(model: Path, load: float) -> dict[str, Any]:
    """Describe the run: when, how, where and which model. `load` is that of the machine at the start."""
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "arguments": sys.argv[1:],
        "machine": machine() | {"load_before": load, "load_after": os.getloadavg()[0]},
        "model": {"name": model.name, "files": ModelFolder.load(model).files},
        "normaliser": NORMALISER,
    }


def machine() -> dict[str, Any]:
    """Describe this machine."""
    cpu = platform.processor()
    flags: list[str] = []
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                cpu = value.strip()
            elif key.strip() == "flags":
                flags = [
                    flag
                    for flag in ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")
                    if flag in value.split()
                ]
    except OSError:
        pass
    return {
        "cpu": cpu,
        "flags": flags,
        "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
