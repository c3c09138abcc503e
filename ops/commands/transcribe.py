"""``shrutlekh transcribe``."""

from pathlib import Path
from typing import Annotated, Any

import typer
from shrutlekh.bulk.recordings import plan
from shrutlekh.commands.options import NOTHING_CHOSEN, formats, takes
from shrutlekh.errors import ClientError
from shrutlekh_contract.formats import FORMATS
from shrutlekh_contract.options import RecognitionOptions, SubmissionOptions, declared

from ops.local_transcription import Failed, Request, transcribe_file
from shared.machine import usable_cpus
from shared.settings import Settings
from speech import Engine, SpeechError
from speech.decoding import BeamDecoder
from transcript.formats import dump

EPILOG = """Examples:

shrutlekh transcribe interview.wav

shrutlekh transcribe film.mkv --format srt > film.srt

shrutlekh transcribe calls/*.mp3 --channels each --format vtt,txt --out texts/

shrutlekh transcribe *.wav --json | jq -r .text

Exit status: 0 success, 1 something failed, 2 wrong usage."""


@takes("numerals", "strict", *declared(RecognitionOptions))
def transcribe(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Recordings, or videos with sound.", show_default=False),
    ],
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME|FOLDER", help="An installed model or a model folder.", show_default=False),
    ] = None,
    formats_named: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="LIST",
            help=f"Write {', '.join(FORMATS)}; comma-separated, to stdout or with --out to "
            "files. Without it, each segment is printed on a line as soon as it is transcribed.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write NAME.txt, NAME.srt and so on there.", show_default=False),
    ] = None,
    chosen: SubmissionOptions = NOTHING_CHOSEN,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per recording with words and times.")
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Draw the recording's waveform (one FILE).", show_default=False),
    ] = None,
) -> None:
    """Transcribe recordings in this process, without a service."""
    wanted = formats(formats_named)
    if picture is not None and len(files) > 1:
        raise typer.BadParameter("draws one recording, so name one FILE.", param_hint="--picture")
    if out is None and len(wanted) > 0 and (len(files) > 1 or len(wanted) > 1):
        raise typer.BadParameter("several files need a folder: name one with --out.", param_hint="--format")
    if as_json and wanted:
        raise typer.BadParameter(
            "has its own output, so it cannot be combined with --format.", param_hint="--json"
        )

    there = [file for file in files if out is not None and file.is_file()]
    outputs = {Path(recording.source): recording.output for recording in plan(there, out)}
    if out is not None:
        wanted = wanted or ("txt",)
    request = Request(chosen, wanted, outputs, as_json, picture)
    try:
        engine = _engine(model, request)
    except SpeechError as error:
        _complain(None, error.code, error.message, as_json)
        raise typer.Exit(1) from error
    failed = False
    for file in files:
        if len(files) > 1 and not as_json and not request.formats:
            typer.echo(f"==> {file} <==")
        try:
            transcribe_file(engine, file, request)
        except Failed as error:
            _complain(file, error.code, error.message, as_json)
            failed = True
    if failed:
        raise typer.Exit(1)


def _engine(model: str | None, request: Request) -> Engine:
    """Make an engine that supports the request.

    Raises:
        SpeechError: the model does not exist, is broken, or lacks the decoder.
        ClientError: a setting is wrong, or the library for beam search is missing.
    """
    engine = Engine.load(_model_folder(model), usable_cpus())
    try:
        decoder = engine.decoder_for(request.chosen)
    except ImportError as error:
        raise ClientError(f"Beam search is not available here: {error}.") from error
    if isinstance(decoder, BeamDecoder) and decoder.unheeded:
        words = ", ".join(f"'{word}'" for word in decoder.unheeded)
        typer.echo(f"Ignored, because the model's tokens cannot spell them: {words}.", err=True)
    return engine


def _complain(file: Path | None, code: str, message: str, as_json: bool) -> None:
    """Print an error on stderr, and with --json on stdout as well."""
    typer.echo(f"{'' if file is None else f'{file}: '}{code}: {message}", err=True)
    if as_json and file is not None:
        document: dict[str, Any] = {"path": str(file), "error": {"code": code, "message": message}}
        typer.echo(dump(document))


def _model_folder(model: str | None) -> Path:
    """Return the folder of a model, given as a folder or by name; None stands for the default model."""
    if model is not None and (Path(model) / "model.json").is_file():
        return Path(model)
    try:
        settings = Settings()
    except ValueError as error:
        raise ClientError(f"A setting in the environment is wrong. {error}") from error
    return settings.models_dir / (model or settings.default_model)
