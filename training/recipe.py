"""What the default model is made from: folders, weights, languages and the books held out."""

from dataclasses import dataclass

SAMPLE_RATE = 16000
MAX_SECONDS = 16.0
MIN_SECONDS = 0.2

# Whole books that no training batch sees, so that their error rate says something about new text.
HELD_OUT_BOOKS = ("DadsBootsHindi", "TallAndShortHindiLv4")


@dataclass(frozen=True, slots=True)
class Corpus:
    """One manifest below the speech folder and how often an epoch repeats it."""

    manifest: str
    repeat: int = 1


CORPORA = (
    Corpus("reader-hi/pages.tsv", 25),
    Corpus("reader-hi/words.tsv", 10),
    Corpus("cv-multilingual/manifest.tsv", 3),
    Corpus("other/ml-msc/manifest.tsv", 4),
    Corpus("other/kn-ajhalthor/manifest.tsv", 3),
    Corpus("other/sw-robotutor/manifest.tsv"),
    Corpus("other/en-robotutor/manifest.tsv"),
    Corpus("other/sw-categitau/manifest.tsv"),
    Corpus("other/de-kerstin/manifest.tsv"),
)

# Languages near to Hindi in sound are heard more often than their hours would give them.
LANGUAGE_REPEAT = {"pa-IN": 3, "or": 3, "as": 3, "dv": 3, "ta": 2}

# Whose real voices stand for Hindi's while the spelling part is taught by text, and how often.
SPOKEN_LIKE_HINDI = {"hi": 2.0, "pa-IN": 2.0, "ml": 2.0, "or": 1.5, "as": 1.5, "ta": 1.0, "kn": 1.0}

# The sources of synthetic speech, as the store and as a model's description name them.
SYNTHESISERS = {
    "synthetic": "espeak-ng Hindi, 79 voices",
    "festival": "Festival Hindi voice hindi_NSK_diphone",
}


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

# First the texts whose sentences are like spoken ones, whole; then phrases drawn from the others.
WHOLE_TEXTS = ("common-voice-sentences.txt", "tatoeba-anki.txt", "pratham-stories.txt")
PHRASE_TEXTS = (
    "hindi-discourse-pd.txt",
    "godan-premchand.txt",
    "ud-pud.txt",
    "hiner-validation.txt",
    "ntrex128.txt",
    "tico19.txt",
    "xquad-hi.txt",
    "mt-geneval.txt",
)

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
