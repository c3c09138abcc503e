"""The contents of each export format."""

import json

import pytest
from hypothesis import given

from tests.transcript.transcripts import said, talk, transcript_of, transcripts
from transcript.characters import one_line
from transcript.formats import _RENDERERS, MEDIA_TYPES, Format, render
from transcript.timeline import milliseconds
from transcript.transcript import Transcript
from transcript.words import Segment, Word

GREETING = said(("नमस्ते", 0.25, 0.5), ("दुनिया", 0.75, 1.5))
CALL = (
    said(("कैसे", 1.0, 1.4), ("हैं", 1.4, 1.9), channel=1),
    said(("ठीक", 1.7, 2.2), channel=2),
    said(("अच्छा", 9.0, 9.4), channel=1),
)


def test_srt() -> None:
    assert render(transcript_of(GREETING), Format.SRT) == "1\n00:00:00,250 --> 00:00:01,500\nनमस्ते दुनिया\n"
    assert render(transcript_of(*CALL), Format.SRT) == (
        "1\n00:00:01,000 --> 00:00:02,200\n[1] कैसे हैं\n[2] ठीक\n\n2\n00:00:09,000 --> 00:00:10,000\n[1] अच्छा\n"
    )


def test_vtt() -> None:
    assert render(transcript_of(GREETING), Format.VTT) == (
        "WEBVTT\n\n00:00:00.250 --> 00:00:01.500\nनमस्ते दुनिया\n"
    )
    assert render(transcript_of(*CALL), Format.VTT) == (
        "WEBVTT\n\n"
        "00:00:01.000 --> 00:00:02.200\n<v Channel 1>कैसे हैं</v>\n<v Channel 2>ठीक</v>\n\n"
        "00:00:09.000 --> 00:00:10.000\n<v Channel 1>अच्छा</v>\n"
    )


def test_tsv() -> None:
    assert render(transcript_of(GREETING), Format.TSV) == (
        "start\tend\tchannel\ttext\n250\t1500\t\tनमस्ते दुनिया\n"
    )
    assert render(transcript_of(*CALL), Format.TSV) == (
        "start\tend\tchannel\ttext\n1000\t1900\t1\tकैसे हैं\n1700\t2200\t2\tठीक\n9000\t9400\t1\tअच्छा\n"
    )


def test_txt() -> None:
    segments = (
        talk(["एक", "दो"], start=0.0),
        talk(["तीन"], start=2.5),
        talk(["चार"], start=5.0),
    )
    assert render(transcript_of(*segments), Format.TXT) == "एक दो तीन\n\nचार\n"
    assert render(transcript_of(*CALL), Format.TXT) == "[1] कैसे हैं\n\n[2] ठीक\n\n[1] अच्छा\n"


def test_a_long_paragraph_ends_at_a_shorter_pause() -> None:
    def after_a_minute(pause: float) -> str:
        segments = (talk(["एक"], 0.0, 59.0), talk(["दो"], 59.1, 1.0), talk(["तीन"], 60.1 + pause))
        return render(transcript_of(*segments, seconds=90), Format.TXT)

    assert after_a_minute(0.4) == "एक दो तीन\n"
    assert after_a_minute(0.6) == "एक दो\n\nतीन\n"


def test_json() -> None:
    segment = Segment.from_words(
        (Word("कुल", 1.0, 1.25, 0.5), Word("25", 1.5, 2.0, 1.0, spoken="पच्चीस")),
        channel=None,
        avg_logprob=-0.123456,
    )
    assert json.loads(render(transcript_of(segment), Format.JSON)) == {
        "model": "hi-test",
        "model_version": None,
        "language": "hi",
        "seconds": 60.0,
        "speech_seconds": 1.5,
        "no_speech": False,
        "warnings": [],
        "text": "कुल 25",
        "segments": [
            {
                "start": 1.0,
                "end": 2.0,
                "channel": None,
                "text": "कुल 25",
                "confidence": 0.75,
                "avg_logprob": -0.1235,
                "words": [
                    {"text": "कुल", "start": 1.0, "end": 1.25, "confidence": 0.5},
                    {"text": "25", "start": 1.5, "end": 2.0, "confidence": 1.0, "spoken": "पच्चीस"},
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("form", "empty"),
    [
        (Format.TXT, ""),
        (Format.SRT, "1\n00:00:00,000 --> 00:00:00,001\n\n"),
        (Format.VTT, "WEBVTT\n"),
        (Format.TSV, "start\tend\tchannel\ttext\n"),
    ],
)
def test_silence(form: Format, empty: str) -> None:
    assert render(transcript_of(), form) == empty


def test_silence_is_marked() -> None:
    assert json.loads(render(transcript_of(), Format.JSON))["no_speech"] is True


def test_marks_of_the_formats_are_text() -> None:
    transcript = transcript_of(said(("<b>a", 1.0, 1.5), ("{\\an8}", 1.5, 2.0), ("--> &amp;", 2.0, 3.0)))
    assert "<\u2060b>a {\u2060\\an8} --\u2060> &amp;\n" in render(transcript, Format.SRT)
    assert "&lt;b&gt;a {\\an8} --&gt; &amp;amp;\n" in render(transcript, Format.VTT)


@pytest.mark.parametrize(
    ("seconds", "clock"),
    [(0.0, "00:00:00,000"), (3599.9996, "01:00:00,000"), (362_439.0625, "100:40:39,062")],
)
def test_clocks(seconds: float, clock: str) -> None:
    transcript = transcript_of(said(("हाँ", seconds, seconds + 1)), seconds=400_000)
    assert render(transcript, Format.SRT).splitlines()[1].startswith(f"{clock} --> ")


def test_segments_come_in_the_order_of_their_starts_then_channels() -> None:
    one, other = talk(["एक"], 2.0, channel=2), talk(["दो"], 2.0, channel=1)
    assert transcript_of(one, talk(["तीन"], 1.0, channel=2), other).text == "तीन दो एक"


@given(transcripts())
def test_a_row_of_tsv_is_a_segment(transcript: Transcript) -> None:
    rows = [line.split("\t") for line in render(transcript, Format.TSV).split("\n")[1:-1]]
    segments = [segment for segment in transcript.segments if one_line(segment.text)]
    assert [row[3] for row in rows] == [one_line(segment.text) for segment in segments]
    assert [int(row[0]) for row in rows] == [milliseconds(segment.start) for segment in segments]
    assert [row[2] for row in rows] == ["" if s.channel is None else str(s.channel) for s in segments]
    assert all(int(row[0]) <= int(row[1]) for row in rows)


@given(transcripts())
def test_paragraphs_hold_every_word_in_order(transcript: Transcript) -> None:
    text = render(transcript, Format.TXT)
    expected = [word for segment in transcript.segments for word in one_line(segment.text).split()]
    if all(segment.channel is None for segment in transcript.segments):
        assert text.split() == expected
    assert len(text.split()) >= len(expected)
    assert "\n\n\n" not in text


def test_every_format_has_a_media_type_and_a_renderer() -> None:
    assert set(MEDIA_TYPES) == set(Format)
    assert set(_RENDERERS) == set(Format)
