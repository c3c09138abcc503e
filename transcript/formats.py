"""The export formats of a transcript. docs/formats.md shows each."""

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from shrutlekh_contract.formats import Format as Format

from transcript.characters import one_line
from transcript.cues import Cue, Line, cues_of, label
from transcript.paragraphs import paragraphs
from transcript.timeline import milliseconds
from transcript.transcript import Transcript

MEDIA_TYPES: Final = {
    Format.JSON: "application/json",
    Format.TXT: "text/plain; charset=utf-8",
    Format.SRT: "application/x-subrip; charset=utf-8",
    Format.VTT: "text/vtt; charset=utf-8",
    Format.TSV: "text/tab-separated-values; charset=utf-8",
}

# SubRip has no escapes. A word joiner, which is invisible and forbids a line break, keeps players from taking
# text for a tag or an override (`<i>`, `{\an8}`).
_SUBRIP: Final = str.maketrans({"<": "<\u2060", "{": "{\u2060"})
_WEBVTT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_ARROW: Final = "-->"
# Programs that sniff file contents do not recognise an empty file as SubRip, but do one with an empty cue.
_EMPTY_SUBRIP: Final = "1\n00:00:00,000 --> 00:00:00,001\n\n"


def render(transcript: Transcript, file_format: Format) -> str:
    """Return the contents of the transcript's file. A transcript without words gives a valid, empty file."""
    return _RENDERERS[file_format](transcript)


def dump(document: dict[str, Any]) -> str:
    """Serialise a JSON document on one line, with Devanagari unescaped."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _json(transcript: Transcript) -> str:
    return dump(transcript.document()) + "\n"


def _txt(transcript: Transcript) -> str:
    return "\n".join(f"{paragraph}\n" for paragraph in paragraphs(transcript))


def _srt(transcript: Transcript) -> str:
    cues = (
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{_joined(cue, _subrip_line)}"
        for number, cue in enumerate(cues_of(transcript), 1)
    )
    return "\n".join(cues) or _EMPTY_SUBRIP


def _vtt(transcript: Transcript) -> str:
    cues = (
        f"\n{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{_joined(cue, _webvtt_line)}"
        for cue in cues_of(transcript)
    )
    return "WEBVTT\n" + "".join(cues)


def _tsv(transcript: Transcript) -> str:
    return "".join(f"{row}\n" for row in ("start\tend\tchannel\ttext", *_rows(transcript)))


def _rows(transcript: Transcript) -> Iterable[str]:
    for segment in transcript.segments:
        text = one_line(segment.text)
        if text:
            start = milliseconds(segment.start)
            end = max(start, milliseconds(segment.end))
            yield f"{start}\t{end}\t{'' if segment.channel is None else segment.channel}\t{text}"


def _joined(cue: Cue, write: Callable[[Line], str]) -> str:
    return "".join(f"{write(line)}\n" for line in cue.lines)


def _subrip_line(line: Line) -> str:
    text = line.text.translate(_SUBRIP).replace(_ARROW, "--\u2060>")
    return label(line.channel) + text if line.is_labelled and line.channel is not None else text


def _webvtt_line(line: Line) -> str:
    text = line.text.translate(_WEBVTT)
    return text if line.channel is None else f"<v Channel {line.channel}>{text}</v>"


def _clock(moment: int, point: str) -> str:
    """Format milliseconds as HH:MM:SS and thousandths, with at least two digits of hours."""
    seconds, thousandths = divmod(moment, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{thousandths:03}"


_RENDERERS: Final[dict[Format, Callable[[Transcript], str]]] = {
    Format.JSON: _json,
    Format.TXT: _txt,
    Format.SRT: _srt,
    Format.VTT: _vtt,
    Format.TSV: _tsv,
}
