"""The ingredients of the default model: corpora, shares, texts, evaluation sets and held-out books."""

from dataclasses import dataclass

SAMPLE_RATE = 16000
MAX_SECONDS = 16.0
MIN_SECONDS = 0.2

HELD_OUT_BOOKS = ("DadsBootsHindi", "TallAndShortHindiLv4")
"""Whole books that are never trained on, so that their error rate is measured on new text."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """One manifest below the speech folder; `spoken_by_kokoro` if its voices are synthetic."""

    manifest: str
    spoken_by_kokoro: bool = False


CORPORA = (
    Corpus("reader-hi/pages.tsv"),
    Corpus("reader-hi/words.tsv"),
    Corpus("cv-multilingual/manifest.tsv"),
    Corpus("other/ml-msc/manifest.tsv"),
    Corpus("other/kn-ajhalthor/manifest.tsv"),
    Corpus("kokoro-hi/manifest.tsv", spoken_by_kokoro=True),
)

SHARES = {"kokoro": 0.38, "languages": 0.30, "hindi": 0.12, "neighbours": 0.10, "espeak": 0.10}
"""Share of each group of clips in the rows of a batch. The share of an empty group goes to the others.

kokoro: natural synthetic Hindi. languages: recordings of other languages, which teach only phones.
hindi: recorded Hindi. neighbours: recordings of other languages, spelt in transliteration.
espeak: Hindi by espeak-ng.
"""

SYNTHETIC_GROUPS = ("kokoro", "espeak")

LANGUAGE_WEIGHTS = {"pa-IN": 3.0, "or": 3.0, "as": 3.0, "dv": 3.0, "ta": 2.0}
"""How much more often a clip of a language close to Hindi is drawn than others of its group."""

BLENDS = (0.5, 0.6)
"""How far to move the trained encoder back to Whisper. Each blend is refitted; the model is their mean."""

BEAM, THRESHOLD = 600, 20.0
"""Hypotheses kept by beam search, and how much worse than the best they may score (natural logarithm).

This model is so confident that a narrow search loses words: docs/records/2026-11-28-hi-ctc-base.md."""

ESPEAK = "espeak-ng"
"""Source name of the clips spoken by espeak-ng, in the store and in model.json."""


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """A manifest below the speech folder; only the clips of the named speakers, if any."""

    name: str
    manifest: str
    speakers: tuple[str, ...] = ()


EVALUATION_SETS = (
    EvaluationSet("cv-hi dev", "cv-hi/manifest.tsv"),
    EvaluationSet("reader-hi held-out books, pages", "reader-hi/pages.tsv", HELD_OUT_BOOKS),
)

EXCLUDED_MANIFESTS = ("cv-hi/manifest.tsv",)

# Training recordings to estimate the character priors of beam search from, without the held-out books.
PRIORS = "reader-hi/pages.tsv"


@dataclass(frozen=True, slots=True)
class TextStyle:
    """Texts of one spoken style, below the speech folder's `text`.

    Attributes:
        files: file names.
        weight: how often a sentence is drawn from the style, relative to the other styles.
        most_words: longest sentence in words; longer ones are cut.
    """

    files: tuple[str, ...]
    weight: float
    most_words: int


SPOKEN_TEXTS = (
    TextStyle(("cv-sentence-collector-2021.txt",), 4.0, 16),
    TextStyle(("common-voice-sentences.txt", "tatoeba-anki.txt"), 1.0, 16),
    TextStyle(("pratham-stories.txt", "premchand-stories.txt"), 2.0, 12),
    TextStyle(("wikipedia-hi-pyru.txt", "hiner-validation.txt", "ntrex128.txt"), 1.5, 11),
)
"""Texts for Kokoro and espeak-ng to speak."""

# espeak-ng voices whose name differs from the Common Voice code.
ESPEAK_VOICES = {
    "zh-CN": "cmn",
    "zh-TW": "cmn",
    "zh-HK": "yue",
    "pa-IN": "pa",
    "sv-SE": "sv",
    "ga-IE": "ga",
    "en": "en-us",
    "fr": "fr-fr",
    "pt": "pt-br",
    "vi": "vi",
}
# Languages of the corpora for which espeak-ng provides phones.
SPOKEN_BY_ESPEAK = frozenset({
    "ar", "as", "ca", "cs", "cv", "cy", "de", "el", "en", "eo", "es", "et", "eu", "fa", "fi", "fr", "ga-IE",
    "hi", "hu", "ia", "id", "it", "ka", "kn", "ky", "lt", "lv", "ml", "mt", "nl", "or", "pa-IN", "pl", "pt",
    "ro", "ru", "sl", "sv-SE", "sw", "ta", "th", "tr", "tt", "vi", "zh-CN", "zh-HK", "zh-TW",
})  # fmt: skip

# Variants of espeak-ng's voices that sound human.
VARIANTS = (
    "", "Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo",
    "Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "Nguyen", "adam", "anika", "antonio", "aunty",
    "belinda", "benjamin", "boris", "caleb", "david", "ed", "edward", "edward2", "f1", "f2", "f3", "f4",
    "f5", "grandma", "grandpa", "gustave", "iven", "iven2", "iven3", "iven4", "john", "kaukovalta", "klatt",
    "klatt2", "klatt3", "klatt4", "klatt5", "klatt6", "linda", "m1", "m2", "m3", "m4", "m5", "m6", "m7",
    "m8", "marcelo", "max", "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob",
    "robert", "sandro", "shelby", "steph", "steph2", "steph3", "travis", "victor", "zac",
)  # fmt: skip
