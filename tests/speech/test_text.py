import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech import NORMALISER, normalise_for_scoring
from speech.text import transcript_text

FATES = """
0900-0903 stays  ऀ ँ ं ः : inverted chandrabindu, chandrabindu, anusvara, visarga
0904-0914 stays  ऄ अ आ इ ई उ ऊ ऋ ऌ ऍ ऎ ए ऐ ऑ ऒ ओ औ : vowels
0915-0928 stays  क ख ग घ ङ च छ ज झ ञ ट ठ ड ढ ण त थ द ध न : consonants
0929      stays  ऩ : one code point in NFC
092A-0930 stays  प फ ब भ म य र
0931      stays  ऱ : one code point in NFC
0932-0933 stays  ल ळ
0934      stays  ऴ : one code point in NFC
0935-0939 stays  व श ष स ह
093A-093B stays  ऺ ऻ : matras
093C      stays  ़ : nukta
093D      stays  ऽ : avagraha
093E-094C stays  ा ि ी ु ू ृ ॄ ॅ ॆ े ै ॉ ॊ ो ौ : matras
094D      stays  ् : virama
094E-094F stays  ॎ ॏ : matras
0950      stays  ॐ
0951-0954 stays  ॑ ॒ ॓ ॔ : accents
0955-0957 stays  ॕ ॖ ॗ : matras
0958-095F splits क़ ख़ ग़ ज़ ड़ ढ़ फ़ य़ : the letter and a nukta
0960-0961 stays  ॠ ॡ : vowels
0962-0963 stays  ॢ ॣ : matras
0964-0965 space  । ॥ : danda, double danda
0966-096F stays  ० १ २ ३ ४ ५ ६ ७ ८ ९ : digits
0970      space  ॰ : abbreviation sign
0971      stays  ॱ : high dot, a letter
0972-0977 stays  ॲ ॳ ॴ ॵ ॶ ॷ : vowels
0978-097F stays  ॸ ॹ ॺ ॻ ॼ ॽ ॾ ॿ : consonants of Marwari, Avestan, Sindhi, Limbu
A8E0-A8F1 stays  combining digits, letters and avagraha: accents of the Samaveda
A8F2-A8F7 stays  spacing chandrabindus
A8F8-A8FA space  pushpika, gap filler, caret: punctuation
A8FB      stays  headstroke, a letter
A8FC      space  siddham: punctuation
A8FD-A8FE stays  Jain om, ay
A8FF      stays  matra ay
1CD0-1CD2 stays  Vedic tones
1CD3      space  nihshvasa: punctuation
1CD4-1CE8 stays  Vedic tones
1CE9-1CEC stays  Vedic anusvaras
1CED      stays  tiryak
1CEE-1CF3 stays  Vedic anusvaras, ardhavisarga
1CF4      stays  Vedic tone
1CF5-1CF6 stays  jihvamuliya, upadhmaniya
1CF7      stays  atikrama
1CF8-1CF9 stays  Vedic tones
1CFA      stays  Vedic anusvara
200C-200D goes   zero width non-joiner and joiner: how a word looks, not which it is
200B      goes   zero width space
200E-200F goes   direction marks
2060      goes   word joiner
FEFF      goes   byte order mark
00AD      goes   soft hyphen
0027      goes   ' : apostrophe
2019      goes   ’ : apostrophe, also a closing quote
2018      space  ‘ : opening quote
201C-201D space  “ ” : quotes
0022      space  " : quote
00AB      space  « : quote
00BB      space  » : quote
0021      space  !
0025-0026 space  % &
0028-002F space  ( ) * + , - . / : punctuation and symbols
003A-0040 space  : ; < = > ? @ : the colon too, where it stands for a visarga
2010-2015 space  hyphens and dashes
2026      space  … : ellipsis
20A8-20A9 space  ₨ ₩
20B9      space  ₹ : rupee sign
25CC      space  ◌ : dotted circle, left by a matra without its letter
00A0      space  no-break space
0009-000D space  tab, line feed and the like
0030-0039 stays  0 1 2 3 4 5 6 7 8 9
0061-007A stays  a to z
0041-005A folds  A to Z: to a to z
"""
BLOCKS = (range(0x0900, 0x0980), range(0xA8E0, 0xA900), range(0x1CD0, 0x1D00))


def fates() -> dict[int, str]:
    found: dict[int, str] = {}
    for line in FATES.strip().splitlines():
        codes, fate = line.split()[:2]
        first, _, last = codes.partition("-")
        for code in range(int(first, 16), int(last or first, 16) + 1):
            assert code not in found, f"U+{code:04X} stands twice in the table"
            found[code] = fate
    return found


@pytest.mark.parametrize(("code", "fate"), fates().items(), ids=[f"U+{code:04X}" for code in fates()])
def test_what_becomes_of_every_letter_and_sign(code: int, fate: str) -> None:
    character = chr(code)
    becomes = {
        "stays": character,
        "splits": unicodedata.normalize("NFD", character),
        "folds": character.lower(),
        "space": " ",
        "goes": "",
    }[fate]
    assert len(becomes) == (2 if fate == "splits" else fate != "goes")
    assert normalise_for_scoring(f"क{character}ख") == unicodedata.normalize("NFC", f"क{becomes}ख")
    assert normalise_for_scoring(character) == becomes.strip()


def test_the_table_has_every_assigned_code_point_of_the_devanagari_blocks() -> None:
    assigned = {code for block in BLOCKS for code in block if unicodedata.category(chr(code)) != "Cn"}
    assert assigned == {code for code in fates() if any(code in block for block in BLOCKS)}


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\u0958लम, न\u093c।", "क\u093cलम, \u0929।"),
        ("ग्\u200dयारह", "ग्\u200dयारह"),
        ("क्\u200cष", "क्\u200cष"),
        ("हूँ हूं ५ 5 छः ॥", "हूँ हूं ५ 5 छः ॥"),
    ],
)
def test_transcript_text_is_canonical_and_otherwise_untouched(text: str, expected: str) -> None:
    assert transcript_text(text) == expected


def test_the_normaliser_has_a_name() -> None:
    assert NORMALISER == "speech.text.normalise_for_scoring 1"
