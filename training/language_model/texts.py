"""The texts of the language model, by style."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from modelkit import read_manifest
from training.language_model.kneser_ney import MARKS, UNKNOWN
from training.recipe import HELD_OUT_BOOKS
from training.text.sentences import SENTENCE_ENDS, holds_forbidden
from training.text.spelling import plain_text, text_key, training_text

STYLES: Mapping[str, tuple[str, ...]] = {
    "talk": ("common-voice-sentences.txt", "tatoeba-anki.txt", "reader-hi/pages.tsv"),
    "prompts": ("cv-sentence-collector-2021.txt",),
    "children": ("pratham-stories.txt",),
    "novels": (
        "godan-premchand.txt",
        "sevasadan-premchand.txt",
        "premchand-stories.txt",
        "hindi-discourse-pd.txt",
    ),
    "news": ("ud-pud.txt", "hiner-validation.txt", "ntrex128.txt"),
    "encyclopaedia": ("wikipedia-hi-pyru.txt", "wikipedia-hi-viksml.txt", "xquad-hi.txt", "mt-geneval.txt"),
    "health": ("tico19.txt",),
    "technology": (
        "opensource-guide.txt",
        "ethereum-org.txt",
        "web-dev-for-beginners-2021.txt",
        "hi-reactjs-docs.txt",
    ),
}
"""Texts by style; each style gets an n-gram model in the mixture. A name is a file below the folder `text`,
or a manifest below the speech folder, which is read without its held-out books."""

FREQUENCIES = "word-frequencies.tsv"
"""Word frequencies, which add words to the lexicon."""

SPOKEN_STYLES = ("talk", "prompts", "children")
"""Styles that people read aloud or speak. Equal numbers of their sentences decide the mixture weights."""
HELD_OUT_PART, MOST_HELD_OUT = 12, 500
"""One in this many sentences of a spoken style is held out, up to a number that every style reaches."""

Sentence = list[str]


def words_of_sentences(text: str, forbidden: set[str]) -> Iterator[Sentence]:
    """Yield the words of each sentence, with "<unk>" for a word that is not in Devanagari.

    A line with a forbidden sentence (see `training.text.sentences.forbidden_keys`) is skipped entirely.
    """
    for line in text.splitlines():
        pieces = SENTENCE_ENDS.split(line)
        if holds_forbidden(text_key(line), forbidden) or any(text_key(p) in forbidden for p in pieces):
            continue
        for piece in pieces:
            words = [word if training_text(word) else MARKS[UNKNOWN] for word in plain_text(piece).split()]
            if any(word != MARKS[UNKNOWN] for word in words):
                yield words


def read_style(speech: Path, files: Sequence[str], forbidden: set[str]) -> list[Sentence]:
    """Read all sentences of a style's files, see `STYLES`."""
    found: list[Sentence] = []
    for name in files:
        if name.endswith(".tsv"):
            entries = (e for e in read_manifest(speech / name) if e.speaker not in HELD_OUT_BOOKS)
            text = "\n".join(entry.text for entry in entries)
        else:
            text = (speech / "text" / name).read_text(encoding="utf-8")
        found += words_of_sentences(text, forbidden)
    return found


def vocabulary(speech: Path, styles: Mapping[str, Sequence[Sentence]]) -> list[str]:
    """Return the marks, then all words of the texts and of the frequency list, sorted."""
    words = {word for found in styles.values() for sentence in found for word in sentence}
    for line in (speech / "text" / FREQUENCIES).read_text(encoding="utf-8").splitlines():
        word = training_text(line.split("\t")[0])
        if word and " " not in word:
            words.add(word)
    return [*MARKS, *sorted(words - set(MARKS))]


def is_held_out(sentence: Sentence) -> bool:
    """Return whether a sentence is held out: one in `HELD_OUT_PART`, the same in every run."""
    return zlib.crc32(text_key(" ".join(sentence)).encode()) % HELD_OUT_PART == 0


def split(sentences_: Sequence[Sentence]) -> tuple[list[Sentence], list[Sentence]]:
    """Split sentences into those to learn and the first `MOST_HELD_OUT` held out; no text is in both."""
    held = [sentence for sentence in sentences_ if is_held_out(sentence)][:MOST_HELD_OUT]
    keys = {text_key(" ".join(sentence)) for sentence in held}
    return [sentence for sentence in sentences_ if text_key(" ".join(sentence)) not in keys], held
