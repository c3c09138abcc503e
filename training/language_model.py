"""The text that the language model learns, and the model made of it."""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from modelkit.manifest import read_manifest
from speech.decoding import LANGUAGE_MODEL_FILE
from training.kneser_ney import (
    MARKS,
    UNKNOWN,
    estimate,
    mix,
    mixture_weights,
    prune,
    write_arpa,
)
from training.prepare import Sources
from training.recipe import HELD_OUT_BOOKS
from training.sentences import SENTENCE_ENDS, TELLING_KEY
from training.spelling import plain_text, text_key, training_text

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
"""Texts by kind of source, each style an n-gram model in the mixture. A name is a file below the folder
`text`, or a manifest below the speech folder, of which the held-out books are left out."""

FREQUENCIES = "word-frequencies.tsv"
"""Words and their frequencies: more words for the lexicon."""

SPOKEN_STYLES = ("talk", "prompts", "children")
"""What people read aloud or say: sentences of these, as many of each, decide on the mixture's weights."""
HELD_OUT_PART, MOST_HELD_OUT = 12, 500
"""One in so many sentences of a spoken style is held out, up to a number that each style reaches."""

Sentence = list[str]


def sentences(text: str, forbidden: set[str]) -> Iterator[Sentence]:
    """Words of each sentence; what is not written in Devanagari is None of the vocabulary: "<unk>".

    A line that holds a forbidden sentence (`training.sentences.forbidden_keys`) is left out whole.
    """
    telling = [key for key in forbidden if len(key) >= TELLING_KEY]
    for line in text.splitlines():
        line_key = text_key(line)
        if any(key in line_key for key in telling):
            continue
        pieces = SENTENCE_ENDS.split(line)
        if any(text_key(piece) in forbidden for piece in [*pieces, line]):
            continue
        for piece in pieces:
            words = [word if training_text(word) else MARKS[UNKNOWN] for word in plain_text(piece).split()]
            if any(word != MARKS[UNKNOWN] for word in words):
                yield words


def read_style(speech: Path, files: Sequence[str], forbidden: set[str]) -> list[Sentence]:
    """All sentences of a style's files; see `STYLES`."""
    found: list[Sentence] = []
    for name in files:
        if name.endswith(".tsv"):
            entries = (e for e in read_manifest(speech / name) if e.speaker not in HELD_OUT_BOOKS)
            text = "\n".join(entry.text for entry in entries)
        else:
            text = (speech / "text" / name).read_text(encoding="utf-8")
        found += sentences(text, forbidden)
    return found


def vocabulary(speech: Path, styles: Mapping[str, Sequence[Sentence]]) -> list[str]:
    """The marks, then every word of the texts and of the frequency list, sorted."""
    words = {word for found in styles.values() for sentence in found for word in sentence}
    for line in (speech / "text" / FREQUENCIES).read_text(encoding="utf-8").splitlines():
        word = training_text(line.split("\t")[0])
        if word and " " not in word:
            words.add(word)
    return [*MARKS, *sorted(words - set(MARKS))]


def is_held_out(sentence: Sentence) -> bool:
    """One in `HELD_OUT_PART` sentences, always the same ones, all their repetitions together."""
    return zlib.crc32(text_key(" ".join(sentence)).encode()) % HELD_OUT_PART == 0


def split(sentences_: Sequence[Sentence]) -> tuple[list[Sentence], list[Sentence]]:
    """Sentences to learn and the first `MOST_HELD_OUT` held out, with no text in both."""
    held = [sentence for sentence in sentences_ if is_held_out(sentence)][:MOST_HELD_OUT]
    keys = {text_key(" ".join(sentence)) for sentence in held}
    return [sentence for sentence in sentences_ if text_key(" ".join(sentence)) not in keys], held


def build(
    speech: Path, out: Path, length: int, threshold: float, report: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Writes `out`/words.arpa.gz, a pruned mixture of one model a style, and model.json's facts beside it.

    The weights are found, and the perplexities measured, with sentences held out; the model that is written
    has learnt from those as well.

    Args:
        speech: the folder with the recipe's corpora and texts.
        length: words of the longest n-gram.
        threshold: of pruning, see `training.kneser_ney.prune`.
        report: told of each step.
    """
    forbidden = Sources.of_recipe(speech).forbidden()
    styles = {style: read_style(speech, files, forbidden) for style, files in STYLES.items()}
    words = vocabulary(speech, styles)
    numbers = {word: number for number, word in enumerate(words)}

    def numbered(found: Sequence[Sentence]) -> list[list[int]]:
        return [[numbers[word] for word in sentence] for sentence in found]

    known = {style: numbered(found) for style, found in styles.items()}
    report(f"{sum(map(len, known.values()))} sentences, {len(words)} words in the vocabulary")

    kept, measured = dict(known), []
    for style in SPOKEN_STYLES:
        learnt, held = split(styles[style])
        kept[style] = numbered(learnt)
        measured += numbered(held)
    models = [estimate(words, found, length) for found in kept.values()]
    weights = mixture_weights(models, measured)
    report("weights " + ", ".join(f"{s} {w:.2f}" for s, w in zip(kept, weights, strict=True)))
    whole = mix(models, weights)
    lumped = estimate(words, [s for found in kept.values() for s in found], length)
    perplexities = {
        "one model of all": lumped.perplexity(measured),
        "mixture": whole.perplexity(measured),
        "mixture, pruned": prune(whole, threshold).perplexity(measured),
    }
    report("perplexity " + ", ".join(f"{name} {value:.0f}" for name, value in perplexities.items()))

    final = prune(mix([estimate(words, found, length) for found in known.values()], weights), threshold)
    out.mkdir(parents=True, exist_ok=True)
    write_arpa(final, out / LANGUAGE_MODEL_FILE)
    facts = {
        "command": f"python -m training language-model --length {length} --threshold {threshold:g}",
        "texts": {style: list(files) for style, files in STYLES.items()},
        "running_words": sum(len(s) for found in known.values() for s in found),
        "ngrams": [len(order.keys) for order in final.orders],
        "weights": {style: round(weight, 4) for style, weight in zip(known, weights, strict=True)},
        "held_out_sentences": len(measured),
        "perplexity": {name: round(value, 1) for name, value in perplexities.items()},
        "pruning_threshold": threshold,
        "bytes": (out / LANGUAGE_MODEL_FILE).stat().st_size,
    }
    text = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
    (out / "language-model.json").write_text(text, encoding="utf-8")
    return facts
