"""Transcribe one recording in this process, for ``shrutlekh transcribe``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer
from shrutlekh.errors import ClientError
from shrutlekh_contract.audio_warnings import sentences
from shrutlekh_contract.options import Numerals, SubmissionOptions

from ops.progress_line import Meter
from speech import Engine, Progress, SpeechError, waveform
from transcript.cues import label
from transcript.formats import Format, dump, render
from transcript.transcript import Transcript, with_numerals
from transcript.words import Segment


class Failed(ClientError):
    """A recording could not be transcribed, or an output could not be written."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """The requested outputs of each recording.

    Attributes:
        chosen: options of the recognition, and how to write numbers.
        formats: formats to write; if empty, segments are printed as they are transcribed.
        outputs: output paths without extension, by recording; empty for stdout.
        as_json: whether to print a line of JSON instead.
        picture: file to draw the waveform to.
    """

    chosen: SubmissionOptions
    formats: tuple[str, ...]
    outputs: Mapping[Path, str]
    as_json: bool
    picture: Path | None


def transcribe_file(engine: Engine, file: Path, request: Request) -> None:
    """Transcribe a recording, and print or write the requested outputs.

    Raises:
        Failed: the recording cannot be read, or an output cannot be written.
    """
    try:
        transcript = _listen(engine, file, request)
        if request.as_json:
            typer.echo(dump({"path": str(file), **transcript.document()}))
        for name in request.formats:
            _write(transcript, name, request.outputs.get(file))
    except SpeechError as error:
        raise Failed(error.code, error.message) from error
    except OSError as error:
        raise Failed("file_unwritable", f"{error.strerror or error}: {error.filename}") from error


def _listen(engine: Engine, file: Path, request: Request) -> Transcript:
    numerals = Numerals(request.chosen.numerals or Numerals.SPOKEN)
    segments: list[Segment] = []
    with (
        Meter(file.name) as meter,
        engine.transcribe(file, options=request.chosen) as transcription,
    ):
        for event in transcription:
            if isinstance(event, Progress):
                meter.show(event.part)
            elif isinstance(event, Segment):
                segment = with_numerals(event, numerals)
                segments.append(segment)
                if not request.as_json and not request.formats:
                    meter.say(_labelled(segment))
        summary = transcription.summary
        if summary.warnings and request.chosen.strict:
            raise Failed("audio_imperfect", sentences(summary.warnings))
        for warning in summary.warnings:
            typer.echo(f"{file}: {warning.code}: {warning.message}", err=True)
        if request.picture is not None:
            request.picture.write_bytes(waveform.paint(summary.peaks, summary.seconds))
        return Transcript.of(
            segments,
            language=engine.folder.language,
            seconds=summary.seconds,
            model=engine.folder.name,
            model_version=engine.folder.version,
            speech_seconds=summary.speech_seconds,
            warnings=summary.warnings,
        )


def _labelled(segment: Segment) -> str:
    return segment.text if segment.channel is None else label(segment.channel) + segment.text


def _write(transcript: Transcript, name: str, output: str | None) -> None:
    text = render(transcript, Format(name))
    if output is None:
        typer.echo(text, nl=False)
        return
    path = Path(f"{output}.{name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
