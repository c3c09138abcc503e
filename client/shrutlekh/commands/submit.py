"""``shrutlekh submit``."""

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from shrutlekh_contract.options import SubmissionOptions, declared

from shrutlekh.api_keys import key_in
from shrutlekh.bulk.display import printable
from shrutlekh.bulk.recordings import EXTENSIONS, plan
from shrutlekh.bulk.run_options import Options
from shrutlekh.commands.options import NOTHING_CHOSEN, ApiKeyFile, Url, formats, takes
from shrutlekh.commands.submission_run import Run

EPILOG = """Examples:

shrutlekh submit interview.wav

shrutlekh submit archive/ --out texts/ --jobs 8

shrutlekh submit *.mp3 --json | jq -r .text

shrutlekh submit archive/ --priority low

shrutlekh submit film.mkv --format srt,vtt --numerals latin

shrutlekh submit calls/ --channels each --hotword देहरादून --hotwords names.txt

shrutlekh submit --watch inbox/ --done archive/

The command can be interrupted and run again: it skips the recordings that are done, and takes up the jobs
that are at the service without uploading again. So it also fetches what --no-wait submitted. If you ask for
another format later, it is fetched without transcribing again, as long as the service keeps the job.
Recordings are transcribed again if they have changed, or if you give other options than before.

With --watch it runs until it is stopped, and takes each recording when it has stopped growing.

Exit status: 0 success, 1 some recordings failed or none were found, 2 wrong usage or no service, 130
interrupted. With --watch, 0 when stopped."""


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
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Watch folders: also transcribe what arrives later, until stopped."),
    ] = False,
    done: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="With --watch: move each recording to this folder when it is transcribed, and write its "
            "texts there.",
            show_default=False,
        ),
    ] = None,
    settle: Annotated[
        float,
        typer.Option(
            min=0.2,
            max=3600,
            metavar="SECONDS",
            help="With --watch: take a recording when it has not changed for this long.",
        ),
    ] = 3.0,
) -> None:
    """Transcribe recordings and folders of recordings with a running service.

    Writes NAME.txt, NAME.json and NAME.png for each recording, and the requested formats.
    """
    console = Console(stderr=True)
    if chosen.client is None:
        chosen = replace(chosen, client=f"submit-{secrets.token_hex(4)}")
    options = Options(
        uploads=min(jobs, in_flight),
        in_flight=in_flight,
        wait=wait,
        force=force,
        chosen=chosen,
        formats=frozenset(formats(formats_named)),
    )

    def note(message: str) -> None:
        console.print(message, markup=False, highlight=False, soft_wrap=True)

    run = Run(url, key_in(api_key_file), options, console, note, as_json=as_json)
    if watch:
        _refuse_for_watching(paths, out, done, wait=wait, force=force)
        run.watch(paths, out, done, settle)
    elif done is not None:
        raise typer.BadParameter("It needs --watch.", param_hint="--done")
    else:
        recordings = plan(paths, out, note)
        if not recordings:
            note(_nothing_found(paths))
            raise typer.Exit(1)
        run.all_of(recordings)


def _refuse_for_watching(
    paths: list[Path], out: Path | None, done: Path | None, *, wait: bool, force: bool
) -> None:
    """Refuse what makes no sense while watching.

    Raises:
        typer.BadParameter: it names the option.
    """
    for path in paths:
        if not path.is_dir():
            raise typer.BadParameter(f"There is no folder {path} to watch.", param_hint="--watch")
        target = done or out
        if done is not None and done.resolve().is_relative_to(path.resolve()):
            raise typer.BadParameter(f"{done} is inside the watched {path}.", param_hint="--done")
        if target is not None and target.exists() and not target.is_dir():
            raise typer.BadParameter(f"{target} is not a folder.", param_hint="--done" if done else "--out")
    if out is not None and done is not None:
        raise typer.BadParameter("The texts lie beside the moved recordings.", param_hint="--out")
    if not wait:
        raise typer.BadParameter("--watch waits for the transcripts.", param_hint="--no-wait")
    if force:
        raise typer.BadParameter("With --watch, recordings are transcribed once.", param_hint="--force")


def _nothing_found(paths: list[Path]) -> str:
    """Return the sentence that no folder holds a recording."""
    named = ", ".join(printable(str(path)) for path in paths)
    extensions = ", ".join(sorted(extension.removeprefix(".") for extension in EXTENSIONS))
    return f"No recordings found in {named}. Folders are searched for files that end in {extensions}."
