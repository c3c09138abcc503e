import re
import unicodedata
from pathlib import Path

import pytest

from training.phones import inventory, phones_of
from training.prepare import Sources, gather, read_manifest
from training.recipe import HELD_OUT_BOOKS
from training.spelling import CHARACTERS, characters_of, plain_text, text_key, training_text
from training.transliteration import devanagari


def test_training_text_is_nfc_without_punctuation() -> None:
    assert training_text("“वह, घर—गया।”") == "वह घर गया"
    assert training_text("ज\u200dन") == "जन"
    assert training_text("\u0958लम") == "क़लम"
    assert unicodedata.is_normalized("NFC", training_text("\u095bमीन") or "")


@pytest.mark.parametrize("text", ["", "।", "सन १९४७", "सन 1947", "मैं Google पर", "ગુજરાત", "ॐ"])
def test_what_the_model_cannot_write_is_left_out(text: str) -> None:
    assert training_text(text) is None


def test_the_characters_are_one_code_point_each_and_cover_what_passes() -> None:
    assert len(CHARACTERS) == len(set(CHARACTERS)) == 62
    written = characters_of(training_text("ज़रूर, यह हिंदी है!") or "")
    assert "".join(written) == "ज़रूर▁यह▁हिंदी▁है"
    assert set(written) <= {*CHARACTERS, "▁"}


def test_keys_hide_punctuation_spacing_and_nasal_signs() -> None:
    assert text_key("हाँ, वह बड़ा है।") == text_key("हां वह बड़ा  है")
    assert text_key("वह आया") != text_key("वह गया")


def test_phones_split_aspiration_and_nasality_and_drop_stress() -> None:
    assert phones_of("ɡʰˈʌɾ hˈũː") == ["ɡ", "ʰ", "ə", "ɾ", "h", "u", "\u0303"]


def test_a_sound_has_one_symbol_in_every_language() -> None:
    assert phones_of("mˈʌɾna") == phones_of("mɐrnaː", "kn") == ["m", "ə", "ɾ", "n", "a"]
    assert phones_of("bər.aː") == ["b", "ə", "ɽ", "a"]
    assert phones_of("tʃʰoʈaː", "or") == phones_of("cʰoʈa") == ["c", "ʰ", "o", "ʈ", "a"]
    assert phones_of("ɪç", "de") == ["ɪ", "ʃ"]


def test_short_vowels_are_hindi_short_vowels_where_length_tells_them_apart() -> None:
    assert phones_of("aːne avaniː", "kn") == ["a", "n", "e", "ə", "ʋ", "ə", "n", "i"]
    assert phones_of("ana", "sw") == ["a", "n", "a"]


@pytest.mark.parametrize(
    ("text", "language", "written"),
    [
        ("ਦਿੰਦੀ ਹੈ", "pa-IN", "दिंदी है"),
        ("ਲੱਡੂ ਅੱਖ", "pa-IN", "लड्डू अक्ख"),
        ("ਸ਼ੇਰ ਫ਼ਿਕਰ", "pa-IN", "शेर फ़िकर"),
        ("ಕರ್ನಾಟಕದ ಆನೆ", "kn", "कर्नाटकदा आने"),
        ("മരം അണ്ണാൻ", "ml", "मरं अण्णान"),
        ("മുൻവിള കേറ്റം", "ml", "मुन्विळा केट्टं"),
    ],
)
def test_letters_of_other_scripts_have_a_devanagari_fellow(text: str, language: str, written: str) -> None:
    assert devanagari(text, language) == written


def test_what_has_no_fellow_is_not_spelt() -> None:
    assert devanagari("நான்", "ta") is None
    assert devanagari("ਸਾਲ 1947", "pa-IN") is None
    assert devanagari("Haus", "de") is None


def test_a_language_switch_gives_no_phones() -> None:
    assert phones_of("(en)wɜːd(hi)") == []


def test_the_inventory_drops_rare_phones() -> None:
    assert inventory([["a", "k"], ["a", "x"], ["k", "a"]], least=2) == ["a", "k"]


def test_no_dev_or_held_out_sentence_is_trained_on(speech_dir: Path) -> None:
    """Nor is any clip of those sets, whatever its text."""
    pages = [
        r for r in read_manifest(speech_dir / "reader-hi" / "pages.tsv") if r["speaker"] in HELD_OUT_BOOKS
    ]
    dev = read_manifest(speech_dir / "cv-hi" / "manifest.tsv")
    evaluated = {text_key(r["text"]) for r in [*pages, *dev] if " " in plain_text(r["text"])}
    assert len(evaluated) > 60
    tasks = gather(Sources.of_recipe(speech_dir), {"synthetic": 55.0, "festival": 8.0})
    trained = [t for t in tasks if t.split == "train"]
    assert len(trained) > 40000
    assert not evaluated & {text_key(t.text) for t in trained}
    assert not any("cv-hi" in Path(t.path).parts for t in tasks)
    books = re.compile("|".join(HELD_OUT_BOOKS))
    assert not any(books.search(t.path) or t.speaker in HELD_OUT_BOOKS for t in trained)
    held = {t.speaker for t in tasks if t.split == "held-out"}
    assert held == set(HELD_OUT_BOOKS)
