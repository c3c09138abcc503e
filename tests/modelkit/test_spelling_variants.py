import csv
import hashlib
import itertools
import re
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelkit.measuring.scoring import word_errors
from modelkit.measuring.spelling_variants import FOLDING, fold
from speech import normalise_for_scoring
from tests.conftest import ROOT

TABLE = resources.files("modelkit.measuring").joinpath("spelling_variants.tsv").read_text(encoding="utf-8")
ROWS = list(csv.DictReader((n for n in TABLE.splitlines() if not n.startswith("#")), delimiter="\t"))
PAIRS = "".join(f"{row['variant']} {row['standard']}\n" for row in ROWS)
ACCURACY = (ROOT / "docs" / "measure-accuracy.md").read_text(encoding="utf-8")
DOCS = ACCURACY.partition("## Spelling variants folded")[2]
LETTERS = "कखगघङचजञटडढणतदनपफबभमयरलवसह" + "अआइईएऑ" + "ािीुूेैोौॉँंः़्" + "०५25 \u200d।"
texts = st.lists(
    st.one_of(
        st.text(LETTERS, max_size=6),
        st.sampled_from([row["variant"] for row in ROWS] + [row["standard"] for row in ROWS]),
    ),
    max_size=5,
).map(" ".join)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("हफ़्ते", "हफ्ते"),
        ("दूँगा", "दूंगा"),
        ("कांग्रेस", "कॉंग्रेस"),
        ("काँग्रेस", "कॉङ्ग्रेस"),
        ("पाँच", "पांच"),
        ("२५", "25"),
        ("क़लम ख़बर ग़लत ज़मीन फ़ौज", "कलम खबर गलत जमीन फौज"),
        ("हजा़र", "हज़ार"),
        ("हिन्दी सम्बन्ध पञ्च अङ्क अण्डा", "हिंदी संबंध पंच अंक अंडा"),
        ("गये नयी चाहिये हुये", "गए नई चाहिए हुए"),
        ("गयीं जायें महिलायें", "गईं जाएँ महिलाएं"),
        ("जायेगा आयेंगे गायेगी", "जाएगा आएँगे गाएगी"),
        ("महान् अर्थात् भगवान्", "महान अर्थात भगवान"),
        ("रूपये", "रुपए"),
        ("डाक्टर कालेज", "डॉक्टर कॉलेज"),
        ("गरदन बिलकुल", "गर्दन बिल्कुल"),
        ("प्राय: महत्त्व", "प्रायः महत्व"),
        ("एवम्", "एवं"),
    ],
)
def test_two_spellings_are_one(one: str, other: str) -> None:
    assert normalise_for_scoring(one) != normalise_for_scoring(other)
    assert fold(one) == fold(other)
    assert word_errors(one, other, fold).errors == 0


@pytest.mark.parametrize(
    "words",
    [
        "बाल बॉल बल बोल",
        "काल कॉल कल",
        "हाल हॉल हल",
        "जान जॉन",
        "बाद बाध",
        "कम काम",
        "दिन दीन",
        "मिल मील",
        "सुख सूख",
        "बहु बहू",
        "में मैं",
        "और ओर",
        "बेर बैर",
        "सड़क सडक",
        "पढ़ना पढना",
        "गढ़ गड़ गड",
        "बड़ा बडा",
        "है हैं",
        "थी थीं",
        "रही रहीं",
        "आधी आँधी",
        "सास साँस",
        "पता पत्ता",
        "बचा बच्चा",
        "भरती भर्ती",
        "शोक शौक़",
        "उन्हें उनहें",
        "जन्म जनम",
        "कन्या कन्न्या कंया",
        "मई मयी",
        "जई जयी",
        "दाई दायी",
        "ये ए",
        "गया गआ",
        "न्याय न्याए",
        "साल शाल",
        "कोश कोष",
        "वह वो",
        "फार्म फॉर्म",
        "5 6",
    ],
)
def test_two_words_stay_two(words: str) -> None:
    for one, other in itertools.combinations(words.split(), 2):
        assert fold(one) != fold(other)


@pytest.mark.parametrize(
    "words", ["हँस हंस", "राज राज़", "सजा सज़ा", "खाना ख़ाना"], ids=["laugh", "rule", "adorned", "food"]
)
def test_what_folding_costs(words: str) -> None:
    """Pairs that only a chandrabindu or a nukta tells apart become one: docs/measure-accuracy.md says so."""
    assert len({fold(word) for word in words.split()}) == 1


@settings(max_examples=500)
@given(texts)
def test_folding_twice_changes_nothing(text: str) -> None:
    folded = fold(text)
    assert fold(folded) == folded
    assert normalise_for_scoring(folded) == folded


@given(texts)
def test_what_is_equal_strictly_is_equal_folded(text: str) -> None:
    assert fold(normalise_for_scoring(text)) == fold(text)
    assert fold(f"  {text}।") == fold(text)


@given(texts, texts)
def test_folding_adds_no_word_errors(reference: str, hypothesis: str) -> None:
    assert word_errors(reference, hypothesis, fold).errors <= word_errors(reference, hypothesis).errors


def test_the_table_says_why_and_where_both_spellings_occur() -> None:
    for row in ROWS:
        assert f"#   {row['why']} " in TABLE
        assert min(map(int, row["texts"].split("/"))) >= 3
        assert fold(row["variant"]) == fold(row["standard"]) == row["standard"]


def test_the_version_rises_when_the_table_changes() -> None:
    digest = hashlib.sha256(PAIRS.encode()).hexdigest()
    assert {FOLDING: digest[:16]} == {"modelkit.spelling_variants.fold 1": "765112523fd99b55"}


def test_the_documentation_says_what_is_folded() -> None:
    examples = re.findall(r"(\S+) = ([^\s,]+)", DOCS)
    assert len(examples) >= 15
    for one, other in examples:
        assert fold(one) == fold(other)
    assert f"The table has {len(ROWS)} pairs" in DOCS
