"""The text that the language model learns, and the model made of it."""

import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from speech.language_model import FILE_NAME
from training.kneser_ney import (
    MARKS,
    UNKNOWN,
    estimate,
    mix,
    mixture_weights,
    prune,
    write_arpa,
)
from training.prepare import Sources, read_manifest
from training.recipe import HELD_OUT_BOOKS
from training.spelling import plain_text, text_key, training_text

STYLES: Mapping[str, tuple[str, ...]] = {
    "talk": ("common-voice-sentences.txt", "tatoeba-anki.txt", "reader-hi/pages.tsv"),
    "stories": (
        "pratham-stories.txt",
        "hindi-discourse-pd.txt",
        "godan-premchand.txt",
        "sevasadan-premchand.txt",
    ),
    "prose": (
        "ud-pud.txt",
        "hiner-validation.txt",
        "ntrex128.txt",
        "mt-geneval.txt",
        "tico19.txt",
        "xquad-hi.txt",
        "opensource-guide.txt",
        "ethereum-org.txt",
        "web-dev-for-beginners-2021.txt",
        "hi-reactjs-docs.txt",
    ),
}
"""Texts by how they speak, each style a model of its own in the mixture; below the folder `text`, or a
manifest below the speech folder, whose held-out books are left out."""

FREQUENCIES = "word-frequencies.tsv"
"""Words and their frequencies: more words for the lexicon."""

SPOKEN_STYLE = "talk"
"""What recordings are like: one in twelve of its sentences decides on the mixture's weights."""
HELD_OUT_PART = 12

_SENTENCE_ENDS = re.compile("[।॥?!\n]")
_TELLING_KEY = 12
"""A forbidden sentence with so many letters must not be a part of another sentence either."""

Sentence = list[str]


def sentences(text: str, forbidden: set[str]) -> Iterator[Sentence]:
    """Words of each sentence; what is not written in Devanagari is None of the vocabulary: "<unk>".

    A line that holds a forbidden sentence (`training.prepare.forbidden_keys`) is left out whole.
    """
    telling = [key for key in forbidden if len(key) >= _TELLING_KEY]
    for line in text.splitlines():
        line_key = text_key(line)
        if any(key in line_key for key in telling):
            continue
        pieces = _SENTENCE_ENDS.split(line)
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
            rows = (row for row in read_manifest(speech / name) if row.get("speaker") not in HELD_OUT_BOOKS)
            text = "\n".join(row["text"] for row in rows)
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
    known = {
        style: [[numbers[word] for word in sentence] for sentence in found] for style, found in styles.items()
    }
    report(f"{sum(map(len, known.values()))} sentences, {len(words)} words in the vocabulary")

    held = [is_held_out(sentence) for sentence in styles[SPOKEN_STYLE]]
    kept = {**known, SPOKEN_STYLE: [s for s, out_ in zip(known[SPOKEN_STYLE], held, strict=True) if not out_]}
    measured = [s for s, out_ in zip(known[SPOKEN_STYLE], held, strict=True) if out_]
    models = [estimate(words, found, length) for found in kept.values()]
    weights = mixture_weights(models, measured)
    report("weights " + ", ".join(f"{s} {w:.2f}" for s, w in zip(kept, weights, strict=True)))
    whole = mix(models, weights)
    perplexities = {
        "talk alone": models[0].perplexity(measured),
        "mixture": whole.perplexity(measured),
        "mixture, pruned": prune(whole, threshold).perplexity(measured),
    }
    report("perplexity " + ", ".join(f"{name} {value:.0f}" for name, value in perplexities.items()))

    final = prune(mix([estimate(words, found, length) for found in known.values()], weights), threshold)
    out.mkdir(parents=True, exist_ok=True)
    write_arpa(final, out / FILE_NAME)
    facts = {
        "command": "python -m training language-model",
        "texts": {style: list(files) for style, files in STYLES.items()},
        "running_words": sum(len(s) for found in known.values() for s in found),
        "ngrams": [len(order.keys) for order in final.orders],
        "weights": {style: round(weight, 4) for style, weight in zip(known, weights, strict=True)},
        "held_out_sentences": len(measured),
        "perplexity": {name: round(value, 1) for name, value in perplexities.items()},
        "pruning_threshold": threshold,
        "bytes": (out / FILE_NAME).stat().st_size,
    }
    text = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
    (out / "language-model.json").write_text(text, encoding="utf-8")
    return facts
