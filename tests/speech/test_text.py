import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.text import NORMALISER, normalise_for_scoring, transcript_text

REMOVED = {0x0964, 0x0965, 0x0970}
"""Danda, double danda and abbreviation sign: all that goes of the Devanagari block."""

NUKTA_LETTERS = {
    0x0958: "क़", 0x0959: "ख़", 0x095A: "ग़", 0x095B: "ज़", 0x095C: "ड़", 0x095D: "ढ़", 0x095E: "फ़", 0x095F: "य़",
}  # fmt: skip


@pytest.mark.parametrize("code", range(0x0900, 0x0980), ids=lambda code: f"U+{code:04X}")
def test_every_code_point_of_the_devanagari_block(code: int) -> None:
    character = chr(code)
    if code in REMOVED:
        assert normalise_for_scoring(f"क{character}ख") == "क ख"
    elif code in NUKTA_LETTERS:
        assert normalise_for_scoring(character) == NUKTA_LETTERS[code]
        assert len(NUKTA_LETTERS[code]) == 2
    else:
        assert normalise_for_scoring(character) == character
        assert normalise_for_scoring(f"म{character}") == unicodedata.normalize("NFC", f"म{character}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("मैं मोहन के साथ गेंद खेलने जा रहा हूँ।", "मैं मोहन के साथ गेंद खेलने जा रहा हूँ"),
        ("क्या पहनने वाली हो?", "क्या पहनने वाली हो"),
        ("  “हाँ”,\tउसने\n कहा॥ ", "हाँ उसने कहा"),
        ("धीरे-धीरे", "धीरे धीरे"),
        ("डॉ॰ राम", "डॉ राम"),
        ("क्\u200dष र\u200cम \ufeffल", "क्ष रम ल"),
        ("₹५०० + 20%", "५०० 20"),
        ("It's Straße", "its strasse"),
        ("…", ""),
        ("", ""),
        ("न\u093c", "ऩ"),
        ("ज\u093c", "ज\u093c"),
    ],
)
def test_sentences(text: str, expected: str) -> None:
    assert normalise_for_scoring(text) == expected


@pytest.mark.parametrize(
    ("one", "other"), [("ज", "ज\u093c"), ("हूँ", "हूं"), ("५", "5"), ("क", "का"), ("दुख", "दुःख")]
)
def test_what_is_not_folded(one: str, other: str) -> None:
    assert normalise_for_scoring(one) != normalise_for_scoring(other)


@given(st.text() | st.text(st.characters(min_codepoint=0x0900, max_codepoint=0x097F)))
def test_idempotent_and_canonical(text: str) -> None:
    once = normalise_for_scoring(text)
    assert normalise_for_scoring(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert once == " ".join(once.split())


@given(st.text())
def test_canonically_equal_texts_are_equal(text: str) -> None:
    assert normalise_for_scoring(unicodedata.normalize("NFD", text)) == normalise_for_scoring(text)


def test_transcript_text_is_canonical_and_otherwise_untouched() -> None:
    assert transcript_text("\u0958लम, न\u093c।\u200d") == "क\u093cलम, \u0929।\u200d"


def test_the_normaliser_has_a_name() -> None:
    assert NORMALISER == "speech.text.normalise_for_scoring 1"
