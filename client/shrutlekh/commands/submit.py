"""``shrutlekh submit``."""

import json
import secrets
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from shrutlekh_contract.options import SubmissionOptions, declared

from shrutlekh.bulk.display import Bar, Display, Lines, printable
from shrutlekh.bulk.pipeline import Options, Outcome, Submission
from shrutlekh.bulk.recordings import plan
from shrutlekh.client import ShrutlekhClient
from shrutlekh.commands.options import NOTHING_CHOSEN, Url, formats, takes
from shrutlekh.errors import ClientError
from shrutlekh.retries import PATIENT

EPILOG = """Examples:

shrutlekh submit interview.wav

shrutlekh submit archive/ --out texts/ --jobs 8

shrutlekh submit *.mp3 --json | jq -r .text

shrutlekh submit archive/ --priority low

shrutlekh submit film.mkv --format srt,vtt --numerals latin

shrutlekh submit calls/ --channels each --hotword देहरादून --hotwords names.txt

The command can be interrupted and run again: it skips the recordings that are done. If you ask for another
format later, it is fetched without transcribing again, as long as the service keeps the job.

Exit status: 0 success, 1 some recordings failed, 2 wrong usage or no service."""


@takes(*(name for name, option in declared(SubmissionOptions).items() if option.switch is not None))
def submit(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Recordings, and folders to search for audio and video files by extension.",
            show_default=False,
        ),
    ],
    url: Url = "http://127.0.0.1:8000",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write below this folder instead of beside the recordings.",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Concurrent uploads.")] = 4,
    in_flight: Annotated[
        int, typer.Option(min=1, max=1000, help="Most unfinished jobs at the service at a time.")
    ] = 32,
    formats_named: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="LIST",
            help="Also write NAME.srt, NAME.vtt (subtitles) or NAME.tsv (table). Comma-separated.",
            show_default=False,
        ),
    ] = None,
    chosen: SubmissionOptions = NOTHING_CHOSEN,
    wait: Annotated[
        bool,
        typer.Option("--wait/--no-wait", help="Wait for the transcripts and write them, or only submit."),
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per recording on stdout, one per line.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Transcribe again what an earlier run has done.")
    ] = False,
) -> None:
    """Transcribe recordings and folders of recordings with a running service.

    Writes NAME.txt, NAME.json and NAME.png for each recording, and the requested formats.
    """
    console = Console(stderr=True)
    if chosen.client is None:
        chosen = replace(chosen, client=f"submit-{secrets.token_hex(4)}")
    wanted_formats = frozenset(formats(formats_named))

    def note(message: str) -> None:
        console.print(message, markup=False, highlight=False, soft_wrap=True)

    recordings = plan(paths, out, note)
    if not recordings:
        note("No recordings found.")
        return
    options = Options(
        uploads=min(jobs, in_flight),
        in_flight=min(in_flight, len(recordings)),
        wait=wait,
        force=force,
        chosen=chosen,
        formats=wanted_formats,
    )
    counts: Counter[str] = Counter()
    failures: list[Outcome] = []
    display: Display = (Bar if console.is_terminal else Lines)(console, len(recordings))
    with ShrutlekhClient(url, retries=PATIENT, connections=in_flight) as client:
        try:
            readiness = client.ready()
            if not readiness.ready:
                note(
                    f"The service is not ready (missing: {readiness.missing}). Recordings wait in its queue."
                )
            with display, closing(Submission(client, recordings, options).run()) as events:
                for event in events:
                    display.show(event)
                    if isinstance(event, Outcome):
                        counts[event.status] += 1
                        if event.error is not None:
                            failures.append(event)
                        if as_json:
                            print(_json_line(event), flush=True)  # noqa: T201
        except KeyboardInterrupt:
            note(f"Interrupted. {_summary(counts)} Run the same command again to continue.")
            raise
        except ClientError:
            if counts:
                note(f"Stopped early. {_summary(counts)}")
            raise
        finally:
            for failure in failures:
                note(_sentence(failure))
    note(_summary(counts))
    if failures:
        raise typer.Exit(1)


def _json_line(outcome: Outcome) -> str:
    record: dict[str, Any] = {
        "path": printable(outcome.source),
        "status": outcome.status,
        "id": outcome.job_id,
        "text": outcome.text,
        "seconds": outcome.seconds,
        "processing_seconds": outcome.processing_seconds,
        "outputs": {kind: printable(path) for kind, path in outcome.outputs.items()},
        "error": None if outcome.error is None else {"code": outcome.error[0], "message": outcome.error[1]},
    }
    return json.dumps(record, ensure_ascii=False)


def _sentence(failure: Outcome) -> str:
    code, message = failure.error or ("", "")
    return f"{printable(failure.source)}: {code}: {message}"


def _summary(counts: "Counter[str]") -> str:
    words = {"succeeded": "transcribed", "queued": "submitted", "running": "submitted"}
    said: Counter[str] = Counter()
    for status, count in counts.items():
        said[words.get(status, status)] += count
    parts = [f"{count} {word}" for word, count in said.items()] or ["Nothing done yet"]
    return ", ".join(parts) + "."
