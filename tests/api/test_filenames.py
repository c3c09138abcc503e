"""Cleaning up client file names for display."""

import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.multipart import parse_options_header

from api.intake.filenames import content_disposition, display_name, sent_name


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("समाचार.wav", "समाचार.wav"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.wav", "a.wav"),
        ("a/b\\c.wav", "c.wav"),
        ("..", "recording"),
        ("../", "recording"),
        ("", "recording"),
        (" \t ", "recording"),
        ("a\x00b\n.wav", "ab.wav"),
        ("\ud800a.wav", "a.wav"),
        ("evil\u202egpj.wav", "evilgpj.wav"),
        ("क\u094dष.wav", "क\u094dष.wav"),
        ("क\u094d\u200dष.wav", "क\u094d\u200dष.wav"),
        ("cafe\u0301.wav", "caf\u00e9.wav"),
    ],
)
def test_what_is_shown(raw: str, shown: str) -> None:
    assert display_name(raw) == shown


def test_long_names_keep_their_extension() -> None:
    name = display_name("अ" * 5000 + ".wav")
    assert len(name) == 255
    assert name.endswith("अ.wav")
    assert display_name("x." + "y" * 5000) == "x." + "y" * 253


@given(st.text())
def test_every_name_can_be_stored_and_shown(raw: str) -> None:
    name = display_name(raw)
    assert 1 <= len(name) <= 255
    assert "/" not in name
    assert "\\" not in name
    assert "\x00" not in name
    assert name.encode("utf-8")
    assert unicodedata.is_normalized("NFC", name)


@pytest.mark.parametrize(
    ("plain", "disposition", "shown"),
    [
        ("समाचार.wav".encode(), b"form-data", "समाचार.wav"),
        (b"caf\xe9.wav", b"form-data", "café.wav"),
        (b"say %22hi%22.wav", b"form-data", 'say "hi".wav'),
        (b"100%25.wav", b"form-data", "100%25.wav"),
        (None, b"form-data", "recording"),
        (None, b"form-data; filename*=UTF-8''%E0%A4%85.wav", "अ.wav"),
        (b"plain.wav", b"form-data; filename=plain.wav; filename*=utf-8'hi'%E0%A4%85.wav", "अ.wav"),
        (b"plain.wav", b"form-data; filename*=utf-8''%FF%FE.wav", "plain.wav"),
        (b"plain.wav", b"form-data; filename*=utf-16''a.wav", "plain.wav"),
        (
            b"a; filename*=utf-8''b.wav",
            b"form-data; filename=\"a; filename*=utf-8''b.wav\"",
            "a; filename*=utf-8''b.wav",
        ),
        (b"a.wav", b"form-data; filename*=utf-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
    ],
)
def test_headers(plain: bytes | None, disposition: bytes, shown: str) -> None:
    assert display_name(sent_name(plain, disposition)) == shown


@pytest.mark.parametrize(
    ("recording", "disposition"),
    [
        ("talk 1.wav", 'inline; filename="talk 1.srt"'),
        ("a.tar.gz", 'inline; filename="a.tar.srt"'),
        ("talk", 'inline; filename="talk.srt"'),
        (".wav", 'inline; filename=".wav.srt"'),
        ("समाचार.wav", "inline; filename=\"transcript.srt\"; filename*=UTF-8''" + quote("समाचार") + ".srt"),
        ('a"; x=".wav', "inline; filename=\"transcript.srt\"; filename*=UTF-8''a%22%3B%20x%3D%22.srt"),
        ("50%.wav", "inline; filename=\"transcript.srt\"; filename*=UTF-8''50%25.srt"),
        ("no. 5, as it is called.wav", 'inline; filename="no. 5, as it is called.srt"'),
    ],
)
def test_names_of_what_is_made(recording: str, disposition: str) -> None:
    assert content_disposition(recording, "srt") == disposition


@given(st.text(max_size=40))
def test_the_name_of_what_is_made_is_one_for_every_parser(name: str) -> None:
    header = content_disposition(display_name(name), "vtt").encode("ascii")
    kind, options = parse_options_header(header)
    assert (kind, set(options)) == (b"inline", {b"filename"})
    assert display_name(sent_name(options[b"filename"], header)).endswith(".vtt")


def test_a_hostile_header_takes_no_time() -> None:
    disposition = b'form-data; filename="' + b'\\"' * 30_000 + b"filename*=utf-8'" * 2_000
    assert sent_name(b"a.wav", disposition) == "a.wav"
