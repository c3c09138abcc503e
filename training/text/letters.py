"""Derive phones from the spelling of languages that espeak-ng lacks and that are written nearly as spoken.

Tables map the letters and letter groups of each language to sounds; the longest matching group wins. Some
detail is lost (reduced vowels, assimilation, tone), but the result is good enough to train an encoder on
voices that it would otherwise never see. The values follow the official orthographies.
"""

import re
from collections.abc import Mapping
from itertools import groupby
from typing import Final

from training.text.spelling import plain_text


def _table(*rows: str) -> Mapping[str, str]:
    """Parse "letters:sound letters:sound". Silent letters have nothing after the colon."""
    return dict(pair.split(":") for row in rows for pair in row.split())


def _same(letters: str) -> str:
    return " ".join(f"{letter}:{letter}" for letter in letters)


_CYRILLIC = _table(
    "а:a б:b в:v г:ɡ д:d е:je ё:jo ж:ʒ з:z и:i й:j к:k л:l м:m н:n о:o п:p р:r с:s т:t у:u ф:f х:x ц:ts",
    "ч:tʃ ш:ʃ щ:ʃ ъ: ы:ɨ ь: э:e ю:ju я:ja",
)
_ROMANSH = _table(
    _same("abdefijklmnoprtuv"),
    "à:a è:ɛ é:e ì:i ò:o ö:ø ü:y c:k ce:tse ci:tsi ch:k g:ɡ ge:dʒe gi:dʒi gl:l gn:ɲ h: qu:kv q:k s:s sch:ʃ",
    "sp:ʃp st:ʃt tg:c tsch:tʃ w:v x:ks z:ts y:i",
)
_LETTERS: Final[Mapping[str, Mapping[str, str]]] = {
    "br": _table(
        _same("abdefiklmnoprtvz"),
        "c:k cʼh:x ch:ʃ eu:ø g:ɡ gn:ɲ h:h j:ʒ lh:l ilh:il ñ:\u0303 oa:wa ou:u u:y ù:y ü:y w:w y:j zh:z s:s",
        "ê:e â:a ô:o ï:i",
    ),
    "cnh": _table(
        _same("abdefiklmnoprstuvwz"),
        "aw:ɔ c:ts ch:tsʰ g:ɡ h:h hl:l hm:m hn:n hng:ŋ hr:r kh:kʰ ng:ŋ ph:pʰ th:tʰ ṭ:ʈ y:j j:j",
        "ah:a eh:e ih:i oh:o uh:u",
    ),
    "dv": _table(
        "ހ:h ށ:ʃ ނ:n ރ:r ބ:b ޅ:ɭ ކ:k އ: ވ:v މ:m ފ:f ދ:d ތ:t ލ:l ގ:ɡ ޏ:ɲ ސ:s ޑ:ɖ ޒ:z ޓ:ʈ ޔ:j ޕ:p ޖ:dʒ ޗ:tʃ",
        "ޘ:s ޙ:h ޚ:x ޛ:z ޜ:ʒ ޝ:ʃ ޞ:s ޟ:z ޠ:t ޡ:z ޢ: ޣ:ɣ ޤ:k ޥ:w",
        "ަ:ə ާ:a ި:ɪ ީ:i ު:ʊ ޫ:u ެ:e ޭ:e ޮ:o ޯ:o ް: އް: ތް:j ށް: ން:n",
    ),
    "fy-NL": _table(
        _same("abdfhjklmnoprst"),
        "c:k ch:x e:ɛ ê:ɛ é:e ea:ɪə eo:eo eau:o g:ɡ i:ɪ ie:iə ii:i ij:ɛi oa:oa oe:u ou:ɔu ô:ɔ uo:uo u:ø û:u",
        "ú:y ui:øy â:a ä:a ë:ə ï:i ö:ø ü:y ng:ŋ sj:ʃ tsj:tʃ q:k v:f w:ʋ x:ks y:i z:z á:a",
    ),
    "hsb": _table(
        _same("abdfhijklmnoprstuvwz"),
        "c:ts ch:x č:tʃ ć:tɕ dź:dʑ e:ɛ ě:ɪ g:ɡ kh:kʰ ł:w ń:n ó:ʊ ř:ʃ š:ʃ ś:ɕ y:ɪ ž:ʒ ź:ʑ q:k x:ks",
    ),
    "kab": _table(
        _same("abfhiklmnopqruvwz"),
        "c:ʃ č:tʃ d:ð ḍ:ð e:ə g:ɡ ǧ:dʒ ɣ:ɣ γ:ɣ ɛ: ε: ԑ: ḥ:h j:ʒ ṛ:r s:s ṣ:s t:θ ṭ:t x:x y:j ẓ:z tt:t dd:d",
    ),
    "lg": _table(
        _same("abdefhiklmnoprstuvwz"),
        "c:tʃ g:ɡ gi:dʒi gy:dʒ j:dʒ ki:tʃi ky:tʃ ŋ:ŋ ngʼ:ŋ ny:ɲ y:j q:k x:ks",
    ),
    "mn": {**_CYRILLIC, **_table("ж:dʒ з:dz л:l о:ɔ ө:ø р:r т:tʰ у:ʊ ү:u ц:tsʰ ч:tʃʰ ы:i п:p")},
    "rm-sursilv": {**_ROMANSH, **_table("che:ke chi:ki tga:ca")},
    "rm-vallader": {**_ROMANSH, **_table("ch:c ss:s chʼ:c")},
    "rw": _table(
        _same("adefhikmnoprstuvwz"),
        "b:ʋ mb:mb c:tʃ cy:c g:ɡ j:ʒ jy:ɟ l:r ny:ɲ sh:ʃ shy:ʃ y:j q:k x:ks",
    ),
    "sah": {**_CYRILLIC, **_table("ҕ:ɣ дь:dʒ ҥ:ŋ нь:ɲ ө:ø һ:h ү:y ы:ɨ х:x")},
}
_GROUPS: Final = {
    language: re.compile("|".join(map(re.escape, sorted(table, key=len, reverse=True))))
    for language, table in _LETTERS.items()
}

READ_BY_LETTERS: Final = frozenset(_LETTERS)
"""Common Voice codes of these languages."""


_APOSTROPHES = str.maketrans("'’", "ʼʼ")
"""Replaces punctuation apostrophes by the one that is a letter."""


def ipa_of(text: str, language: str) -> str:
    """Return the IPA of `text` in a language of `READ_BY_LETTERS`; "" if it has unknown letters.

    A doubled sound counts once, because length is not distinguished.
    """
    table, groups = _LETTERS[language], _GROUPS[language]
    words = []
    for word in plain_text(text.translate(_APOSTROPHES)).lower().split():
        if groups.sub("", word).strip("ʼ"):
            return ""
        heard = "".join(sound for sound, _ in groupby(table[group] for group in groups.findall(word)))
        words.append(re.sub(r"(\w)\1+", r"\1", heard))
    return " ".join(words)
