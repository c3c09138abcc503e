"""Readings of languages that espeak-ng does not speak, against words whose sound is known."""

from collections import Counter
from pathlib import Path

import pytest

from modelkit.measuring.manifest import read_manifest
from training.recipe import SPOKEN_BY_ESPEAK
from training.text.letters import READ_BY_LETTERS, ipa_of
from training.text.phones import phones_of


@pytest.mark.parametrize(
    ("text", "language", "sounds"),
    [
        ("Dec'h, c’hoar!", "br", "dex xwar"),
        ("Lung thi cawl", "cnh", "luŋ tʰi tsɔl"),
        ("ދިވެހި އެންމެން", "dv", "dɪvehɪ enmen"),
        ("tsjerke, sjen", "fy-NL", "tʃɛrkɛ ʃɛn"),
        ("Łužica chcyć", "hsb", "wuʒitsa xtsɪtɕ"),
        ("Aɣrum yeǧǧa", "kab", "aɣrum jədʒa"),
        ("ng'enda kiri", "lg", "ŋenda tʃiri"),
        ("Улаанбаатар хот", "mn", "ʊlanbatʰar xɔtʰ"),
        ("schi tgau gnoc", "rm-sursilv", "ʃi cau ɲok"),
        ("chasa güst", "rm-vallader", "casa ɡyʃt"),
        ("Umwana ushaka imbwa", "rw", "umwana uʃaka imbwa"),
        ("Дьокуускай ҕ", "sah", "dʒokuskaj ɣ"),
    ],
)
def test_words_are_read_group_by_group(text: str, language: str, sounds: str) -> None:
    assert ipa_of(text, language) == sounds


def test_a_sentence_with_other_letters_is_not_read() -> None:
    assert ipa_of("Umwana 12", "rw") == ""
    assert ipa_of("Умwана", "mn") == ""
    assert ipa_of("", "rw") == ""


def test_every_language_is_of_the_corpus_and_nearly_all_of_it_is_read(speech_dir: Path) -> None:
    assert not READ_BY_LETTERS & SPOKEN_BY_ESPEAK
    rows = [
        row
        for row in read_manifest(speech_dir / "cv-multilingual" / "manifest.tsv")
        if row.language in READ_BY_LETTERS
    ]
    sentences = Counter(row.language for row in rows)
    assert set(sentences) == READ_BY_LETTERS
    read = Counter(row.language for row in rows if phones_of(ipa_of(row.text, row.language)))
    for language, count in sentences.items():
        assert read[language] >= 0.95 * count, language
