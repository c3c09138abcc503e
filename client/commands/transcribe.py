"""``shrutlekh transcribe``."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from client.errors import ClientError

if TYPE_CHECKING:
    from speech.engine import Engine

EPILOG = """Examples:

shrutlekh transcribe interview.wav

shrutlekh transcribe interview.wav --picture interview.png

shrutlekh transcribe *.wav --json | jq -r .text

Exit status: 0 all is well, 1 something failed, 2 wrong usage."""


def transcribe(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recordings.", show_default=False)],
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME|FOLDER", help="An installed model or a model folder.", show_default=False),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object a line with words and times.")
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Paint the recording's waveform (one FILE).", show_default=False),
    ] = None,
) -> None:
    """Transcribe recordings here and now, without a service. Prints the text as it comes."""
    if picture is not None and len(files) > 1:
        raise typer.BadParameter("paints one recording, so name one FILE.", param_hint="--picture")

    from speech.engine import Engine
    from speech.errors import SpeechError

    failed = False
    try:
        engine = Engine.load(_model_folder(model), _cpus())
    except SpeechError as error:
        _complain(None, error.code, error.message, as_json)
        raise typer.Exit(1) from error
    for file in files:
        if len(files) > 1 and not as_json:
            typer.echo(f"==> {file} <==")
        try:
            _transcribe(engine, file, as_json, picture)
        except SpeechError as error:
            _complain(file, error.code, error.message, as_json)
            failed = True
        except OSError as error:
            _complain(file, "file_unwritable", f"{error.strerror or error}: {error.filename}", as_json)
            failed = True
    if failed:
        raise typer.Exit(1)


def _transcribe(engine: "Engine", file: Path, as_json: bool, picture: Path | None) -> None:
    segments = []
    with engine.transcribe(file) as transcription:
        for segment in transcription:
            if as_json:
                segments.append(asdict(segment))
            else:
                typer.echo(segment.text)
        if picture is not None:
            from speech.waveform import paint

            picture.write_bytes(paint(transcription.peaks, transcription.seconds))
        seconds = transcription.seconds
    if as_json:
        document = {
            "path": str(file),
            "model": engine.folder.name,
            "language": engine.folder.language,
            "seconds": seconds,
            "text": " ".join(segment["text"] for segment in segments),
            "segments": segments,
        }
        typer.echo(json.dumps(document, ensure_ascii=False))


def _complain(file: Path | None, code: str, message: str, as_json: bool) -> None:
    """Say what failed on stderr, and on stdout where a program listens."""
    typer.echo(f"{'' if file is None else f'{file}: '}{code}: {message}", err=True)
    if as_json and file is not None:
        typer.echo(
            json.dumps({"path": str(file), "error": {"code": code, "message": message}}, ensure_ascii=False)
        )


def _model_folder(model: str | None) -> Path:
    """The folder named, or that of the installed model named, or of the default one."""
    from shared.settings import Settings

    if model is not None and (Path(model) / "model.json").is_file():
        return Path(model)
    try:
        settings = Settings()
    except ValueError as error:
        raise ClientError(f"A setting in the environment is wrong. {error}") from error
    return settings.models_dir / (model or settings.default_model)


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
