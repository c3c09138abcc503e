"""What the default model is made from: corpora, shares, texts, evaluation sets and the books held out."""

from dataclasses import dataclass

SAMPLE_RATE = 16000
MAX_SECONDS = 16.0
MIN_SECONDS = 0.2

HELD_OUT_BOOKS = ("DadsBootsHindi", "TallAndShortHindiLv4")
"""Whole books that no training batch sees, so that their error rate says something about new text."""


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
"""Share of each group of clips in the rows of a batch; a group without clips leaves its share to the others.

kokoro: natural synthetic Hindi. languages: recordings of other languages, which teach phones only.
hindi: recorded Hindi. neighbours: recordings of other languages that are spelt in transliteration.
espeak: Hindi by espeak-ng.
"""

SYNTHETIC_GROUPS = ("kokoro", "espeak")

LANGUAGE_WEIGHTS = {"pa-IN": 3.0, "or": 3.0, "as": 3.0, "dv": 3.0, "ta": 2.0}
"""How much more often than others a clip of a language near to Hindi is drawn within its group."""

BLENDS = (0.5, 0.6)
"""How far the trained encoder goes back to Whisper's weights. Each is refitted; the model is their mean."""

BEAM, THRESHOLD = 600, 20.0
"""Hypotheses kept by beam search, and how much worse than the best they may be (natural logarithm).

With a model so sure of itself a narrow search loses words: docs/records/2026-11-28-hi-ctc-base.md."""

ESPEAK = "espeak-ng"
"""Source of the clips that espeak-ng speaks, in the store and in a model's description."""


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """A manifest below the speech folder, or those of its clips whose speaker is named."""

    name: str
    manifest: str
    speakers: tuple[str, ...] = ()


EVALUATION_SETS = (
    EvaluationSet("cv-hi dev", "cv-hi/manifest.tsv"),
    EvaluationSet("reader-hi held-out books, pages", "reader-hi/pages.tsv", HELD_OUT_BOOKS),
)

EXCLUDED_MANIFESTS = ("cv-hi/manifest.tsv",)

# Training recordings that tell beam search how likely each character is; without the held-out books.
PRIORS = "reader-hi/pages.tsv"


@dataclass(frozen=True, slots=True)
class TextStyle:
    """Texts below the speech folder's `text` that are spoken alike.

    Attributes:
        files: their names.
        weight: how often a sentence is drawn from them, beside the other styles' weights.
        most_words: of a sentence; longer ones are cut.
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
"""What Kokoro and espeak-ng speak."""

# Common Voice codes whose espeak-ng voice has another name.
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
# The corpora's languages that espeak-ng gives phones for.
SPOKEN_BY_ESPEAK = frozenset({
    "ar", "as", "ca", "cs", "cv", "cy", "de", "el", "en", "eo", "es", "et", "eu", "fa", "fi", "fr", "ga-IE",
    "hi", "hu", "ia", "id", "it", "ka", "kn", "ky", "lt", "lv", "ml", "mt", "nl", "or", "pa-IN", "pl", "pt",
    "ro", "ru", "sl", "sv-SE", "sw", "ta", "th", "tr", "tt", "vi", "zh-CN", "zh-HK", "zh-TW",
})  # fmt: skip

# Variants of espeak-ng's voices that sound like a person.
VARIANTS = (
    "", "Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo",
    "Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "Nguyen", "adam", "anika", "antonio", "aunty",
    "belinda", "benjamin", "boris", "caleb", "david", "ed", "edward", "edward2", "f1", "f2", "f3", "f4",
    "f5", "grandma", "grandpa", "gustave", "iven", "iven2", "iven3", "iven4", "john", "kaukovalta", "klatt",
    "klatt2", "klatt3", "klatt4", "klatt5", "klatt6", "linda", "m1", "m2", "m3", "m4", "m5", "m6", "m7",
    "m8", "marcelo", "max", "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob",
    "robert", "sandro", "shelby", "steph", "steph2", "steph3", "travis", "victor", "zac",
)  # fmt: skip
