"""Third-party programs read our files: FFmpeg, and a parser of WebVTT and SubRip."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import webvtt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import missing
from tests.transcript.transcripts import said, talk, transcript_of, transcripts
from transcript.cues import Cue, Line, cues_of, label
from transcript.formats import Format, render
from transcript.transcript import Transcript

TAG = re.compile(r"</?v[^>]*>")
WORD_JOINER = "\u2060"
DEGENERATE = [
    transcript_of(),
    transcript_of(seconds=0.0),
    transcript_of(said(("हाँ", 0.0, 0.0)), seconds=0.0),
    transcript_of(said(*[("हाँ", 1.0, 1.0)] * 200), seconds=1.0),
    transcript_of(said(("क" * 500, 360_000.0, 360_001.0)), seconds=400_000.0),
    transcript_of(said(("<b>", 1.0, 2.0), ("-->", 2.0, 3.0), ("&amp;", 3.0, 4.0), ("{\\an8}", 4.0, 5.0))),
    transcript_of(
        said(("5", 1.0, 2.0)), said(("6", 4.0, 5.0)), said(("00:00:01,000 --> 00:00:02,000", 8.0, 9.0))
    ),
    transcript_of(said(("NOTE", 1.0, 2.0)), said(("WEBVTT", 4.0, 5.0)), said(("STYLE", 8.0, 9.0))),
    transcript_of(talk(["हाँ"] * 30, channel=1), talk(["ना"] * 30, start=0.6, channel=2)),
    transcript_of(said(("\x00\n\t", 1.0, 2.0), ("क\u2028ख", float("nan"), 1.0), ("ग", -5.0, 99.0))),
]


@pytest.fixture(scope="module", autouse=True)
def _ffmpeg() -> None:
    for name in ("ffmpeg", "ffprobe"):
        if shutil.which(name) is None:
            missing(name)


def as_srt(line: Line) -> str:
    return label(line.channel) + line.text if line.is_labelled and line.channel else line.text


def parsed(captions: webvtt.WebVTT) -> list[tuple[int, int, str]]:
    return [
        (milliseconds_of(caption.start), milliseconds_of(caption.end), caption.raw_text)
        for caption in captions
    ]


def milliseconds_of(clock: str) -> int:
    hours, minutes, seconds = clock.split(":")
    return int(hours) * 3_600_000 + int(minutes) * 60_000 + round(float(seconds) * 1000)


def times(cues: list[Cue]) -> list[tuple[int, int]]:
    return [(cue.start, cue.end) for cue in cues]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(transcript=st.one_of(st.sampled_from(DEGENERATE), transcripts()))
def test_a_parser_reads_back_what_was_written(transcript: Transcript, tmp_path: Path) -> None:
    cues = cues_of(transcript)
    vtt = parsed(webvtt.from_string(render(transcript, Format.VTT), strict=True))
    assert [(start, end) for start, end, _ in vtt] == times(cues)
    assert [html.unescape(TAG.sub("", text)) for _, _, text in vtt] == [
        "\n".join(line.text for line in cue.lines) for cue in cues
    ]
    path = tmp_path / "a.srt"
    path.write_text(render(transcript, Format.SRT), encoding="utf-8", newline="")
    srt = parsed(webvtt.from_srt(str(path)))
    assert [(start, end) for start, end, _ in srt] == times(cues)
    assert [text.replace(WORD_JOINER, "") for _, _, text in srt] == [
        "\n".join(map(as_srt, cue.lines)).replace(WORD_JOINER, "") for cue in cues
    ]


def packets(path: Path) -> list[tuple[int, int]]:
    """Start and end of each cue according to ffprobe, which detects the format itself."""
    command = [
        "ffprobe",
        "-v",
        "warning",
        "-show_entries",
        "packet=pts_time,duration_time",
        "-of",
        "json",
        path,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found = [
        (round(float(packet["pts_time"]) * 1000), round(float(packet["duration_time"]) * 1000))
        for packet in json.loads(done.stdout).get("packets", [])
    ]
    return [(start, start + length) for start, length in found]


def through_ffmpeg(path: Path, form: str) -> str:
    command = ["ffmpeg", "-v", "error", "-i", path, "-f", form, "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def check_with_ffmpeg(transcript: Transcript, folder: Path) -> None:
    cues = cues_of(transcript)
    for form in (Format.SRT, Format.VTT):
        path = folder / f"a.{form}"
        path.write_text(render(transcript, form), encoding="utf-8", newline="")
        assert packets(path) == times(cues)
        through_ffmpeg(path, "webvtt")


@pytest.mark.parametrize("transcript", DEGENERATE)
def test_ffmpeg_reads_the_degenerate(transcript: Transcript, tmp_path: Path) -> None:
    check_with_ffmpeg(transcript, tmp_path)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(transcript=transcripts())
def test_ffmpeg_reads_anything(transcript: Transcript, tmp_path: Path) -> None:
    check_with_ffmpeg(transcript, tmp_path)


def test_ffmpeg_shows_the_words_that_we_wrote(tmp_path: Path) -> None:
    words = ["नमस्ते", "<b>", "क\u200dष", "&", "a>b", "ज़िंदगी"]
    transcript = transcript_of(talk(words, pace=0.5))
    for form in (Format.SRT, Format.VTT):
        path = tmp_path / f"a.{form}"
        path.write_text(render(transcript, form), encoding="utf-8", newline="")
        shown = through_ffmpeg(path, "srt").split("\n", 2)[2]
        assert shown.replace(WORD_JOINER, "").split() == words, form
