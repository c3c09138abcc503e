"""``shrutlekh submit``."""

import json
import secrets
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from shrutlekh_contract.options import SubmissionOptions, declared

from shrutlekh.api_keys import key_in
from shrutlekh.bulk.display import Bar, Display, Lines, printable
from shrutlekh.bulk.events import Outcome
from shrutlekh.bulk.pipeline import Submission
from shrutlekh.bulk.recordings import EXTENSIONS, plan
from shrutlekh.bulk.run_options import Options
from shrutlekh.bulk.summary import Summary
from shrutlekh.client import ShrutlekhClient
from shrutlekh.commands.options import NOTHING_CHOSEN, ApiKeyFile, Url, formats, takes
from shrutlekh.errors import ClientError
from shrutlekh.retries import PATIENT

EPILOG = """Examples:

shrutlekh submit interview.wav

shrutlekh submit archive/ --out texts/ --jobs 8

shrutlekh submit *.mp3 --json | jq -r .text

shrutlekh submit archive/ --priority low

shrutlekh submit film.mkv --format srt,vtt --numerals latin

shrutlekh submit calls/ --channels each --hotword देहरादून --hotwords names.txt

The command can be interrupted and run again: it skips the recordings that are done, and takes up the jobs
that are at the service without uploading again. So it also fetches what --no-wait submitted. If you ask for
another format later, it is fetched without transcribing again, as long as the service keeps the job.
Recordings are transcribed again if they have changed, or if you give other options than before.

Exit status: 0 success, 1 some recordings failed or none were found, 2 wrong usage or no service, 130
interrupted."""


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
    api_key_file: ApiKeyFile = None,
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
        typer.Option(
            "--wait/--no-wait",
            help="Wait for the transcripts and write them, or only submit. A later run fetches them.",
        ),
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per recording on stdout, one per line.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Transcribe everything again, in new jobs.")] = False,
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
        note(_nothing_found(paths))
        raise typer.Exit(1)
    options = Options(
        uploads=min(jobs, in_flight),
        in_flight=min(in_flight, len(recordings)),
        wait=wait,
        force=force,
        chosen=chosen,
        formats=wanted_formats,
    )
    summary = Summary(len(recordings))
    display: Display = (Bar if console.is_terminal else Lines)(console, len(recordings))
    connections = in_flight + 1  # one for each recording, and one to watch the service
    with ShrutlekhClient(
        url, api_key=key_in(api_key_file), retries=PATIENT, connections=connections
    ) as client:
        client.ready()  # fails at once if no service answers, and before a bar is shown
        submission = Submission(client, recordings, options)
        try:
            with display, closing(submission.run()) as events:
                for event in events:
                    display.show(event)
                    if isinstance(event, Outcome):
                        summary.add(event)
                        if as_json:
                            print(_json_line(event), flush=True)  # noqa: T201
        except (KeyboardInterrupt, ClientError) as stop:
            if isinstance(stop, KeyboardInterrupt) or submission.at_service or not summary.is_empty:
                word = "Interrupted" if isinstance(stop, KeyboardInterrupt) else "Stopped early"
                note(f"{word}. {summary.line()} {summary.next_run(submission.at_service, force=force)}")
            raise
        finally:
            for line in summary.details():
                note(line)
    note(summary.line())
    if summary.has_failures:
        raise typer.Exit(1)


def _nothing_found(paths: list[Path]) -> str:
    """Return the sentence that no folder holds a recording."""
    named = ", ".join(printable(str(path)) for path in paths)
    extensions = ", ".join(sorted(extension.removeprefix(".") for extension in EXTENSIONS))
    return f"No recordings found in {named}. Folders are searched for files that end in {extensions}."


def _json_line(outcome: Outcome) -> str:
    record: dict[str, Any] = {
        "path": printable(outcome.source),
        "status": outcome.status,
        "id": outcome.job_id,
        "text": outcome.text,
        "seconds": outcome.seconds,
        "processing_seconds": outcome.processing_seconds,
        "warnings": [warning.model_dump() for warning in outcome.warnings],
        "outputs": {kind: printable(path) for kind, path in outcome.outputs.items()},
        "error": None if outcome.error is None else {"code": outcome.error[0], "message": outcome.error[1]},
    }
    return json.dumps(record, ensure_ascii=False)
