import re
import unicodedata
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import pytest

from modelkit.measuring.manifest import read_manifest
from training.corpora.prepare import KOKORO_SEED, Sources, Task
from training.recipe import HELD_OUT_BOOKS, TextStyle
from training.text.phones import inventory, phones_of
from training.text.sentences import drawn, is_forbidden, sentences
from training.text.spelling import CHARACTERS, characters_of, plain_text, text_key, training_text
from training.text.transliteration import devanagari


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


@pytest.fixture(scope="module")
def evaluated(speech_dir: Path) -> set[str]:
    """Keys of the sentences of the dev set and of the held-out books."""
    pages = read_manifest(speech_dir / "reader-hi" / "pages.tsv", HELD_OUT_BOOKS)
    dev = read_manifest(speech_dir / "cv-hi" / "manifest.tsv")
    found = {text_key(entry.text) for entry in [*pages, *dev] if " " in plain_text(entry.text)}
    assert len(found) > 60
    return found


def overlap(texts: Iterable[str], evaluated: set[str]) -> list[str]:
    """Texts that are an evaluated sentence, hold a long one, or are a long part of one."""
    long = "\n".join(evaluated)
    telling = [key for key in evaluated if len(key) >= 12]
    keys = {text_key(text): text for text in texts if " " in text}
    return [
        text
        for key, text in keys.items()
        if key in evaluated or any(other in key for other in telling) or (len(key) >= 12 and key in long)
    ]


def test_an_overlap_is_found_whole_and_in_part() -> None:
    assert overlap(["वह बहुत दूर चला गया।"], {text_key("वह बहुत दूर चला गया")})
    assert overlap(["कल वह बहुत दूर चला गया था"], {text_key("वह बहुत दूर चला गया")})
    assert overlap(["बहुत दूर चला गया"], {text_key("वह बहुत दूर चला गया")})
    assert not overlap(["वह बहुत दूर रहता है"], {text_key("वह बहुत दूर चला गया")})


def test_no_dev_or_held_out_sentence_is_trained_on(tasks: list[Task], evaluated: set[str]) -> None:
    """Nor is any clip of those sets, whatever its text; Kokoro's clips and espeak-ng's count alike."""
    trained = [task for task in tasks if task.split == "train" and task.language == "hi"]
    assert sum(task.kokoro for task in trained) > 6000
    assert sum(not task.path for task in trained) > 5000
    assert not overlap((task.text for task in trained), evaluated)
    assert not any("cv-hi" in Path(task.path).parts for task in tasks)
    books = re.compile("|".join(HELD_OUT_BOOKS))
    for task in tasks:
        assert task.split == "held-out" or not (books.search(task.path) or task.speaker in HELD_OUT_BOOKS)
    assert {task.speaker for task in tasks if task.split == "held-out"} == set(HELD_OUT_BOOKS)


def test_no_dev_or_held_out_sentence_is_spoken_by_kokoro_and_none_twice(
    speech_dir: Path, evaluated: set[str]
) -> None:
    sources = Sources.of_recipe(speech_dir)
    used = sources.spoken()
    made = list(islice(sources.sentences(used, KOKORO_SEED), 20_000))
    assert len(made) == 20_000
    assert not overlap(made, evaluated)
    keys = [text_key(text) for text in made]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {text_key(text) for text in used}


def test_styles_are_drawn_by_weight_and_follow_from_the_seed(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    letters = "कखगघचजटठडतथदपफबभमयरल"
    for name, last in (("a.txt", "एक"), ("b.txt", "दो")):
        lines = [f"{x}{y}{z} {last}।" for x in letters for y in letters for z in "नस"]
        (tmp_path / "text" / name).write_text("\n".join(lines), encoding="utf-8")
    styles = (TextStyle(("a.txt",), 3.0, 9), TextStyle(("b.txt",), 1.0, 9))
    made = list(drawn(tmp_path, styles, {text_key("ककन एक")}, ["ककस एक"], 5))
    assert len(made) == 2 * 800 - 2
    first = made[:400]
    assert 250 < sum(text.endswith("एक") for text in first) < 350
    assert made == list(drawn(tmp_path, styles, {text_key("ककन एक")}, ["ककस एक"], 5))
    assert not {"ककन एक", "ककस एक"} & set(made)


def test_long_sentences_are_cut_and_what_the_model_cannot_write_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("एक दो तीन चार पाँच। सन 1947? वह गया!\nFoo", encoding="utf-8")
    assert list(sentences([path], 2)) == ["एक दो", "तीन चार", "पाँच", "वह गया"]


def test_a_short_part_of_a_forbidden_sentence_is_allowed() -> None:
    assert not is_forbidden("घर जाओ", {text_key("वह घर जाओ")})
    assert is_forbidden("वह, घर जाओ", {text_key("वह घर जाओ")})
