"""Sentences to speak: cut from texts, filtered against the evaluation sets, drawn by style."""

import random
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from modelkit import read_manifest
from training.recipe import TextStyle
from training.text.spelling import text_key, training_text

SENTENCE_ENDS = re.compile("[।॥?!\n]")
TELLING_KEY = 12
"""A sentence of at least this many letters counts as the same if another one contains it."""


def forbidden_keys(manifests: Iterable[Path], texts: Iterable[str]) -> set[str]:
    """Return the keys of the sentences of `manifests` and `texts`, which must not be spoken or trained on."""
    keys = {text_key(entry.text) for path in manifests for entry in read_manifest(path)}
    return keys | {text_key(text) for text in texts}


def holds_forbidden(key: str, forbidden: Collection[str]) -> bool:
    """Return whether the text with this `text_key` is a forbidden sentence or contains a long one."""
    return key in forbidden or any(len(other) >= TELLING_KEY and other in key for other in forbidden)


def is_forbidden(text: str, forbidden: Collection[str]) -> bool:
    """Return whether `text` is a forbidden sentence, contains a long one, or is a long part of one."""
    key = text_key(text)
    return holds_forbidden(key, forbidden) or (
        len(key) >= TELLING_KEY and any(key in other for other in forbidden)
    )


def sentences(texts: Iterable[Path], most_words: int) -> Iterator[str]:
    """Yield the sentences in the model's characters, cut to `most_words` words."""
    for path in texts:
        for piece in SENTENCE_ENDS.split(path.read_text(encoding="utf-8")):
            words = (training_text(piece) or "").split()
            for start in range(0, len(words), most_words):
                yield " ".join(words[start : start + most_words])


def drawn(
    speech: Path, styles: Sequence[TextStyle], forbidden: Collection[str], used: Iterable[str], seed: int
) -> Iterator[str]:
    """Yield sentences of two or more words, each once, in an order determined by `seed`.

    Styles are drawn by weight until they are used up. Sentences in `used` and forbidden ones are skipped.

    Args:
        speech: folder whose subfolder `text` contains the files of the styles.
        forbidden: keys from `forbidden_keys`.
    """
    rng = random.Random(seed)
    seen = {text_key(text) for text in used}
    pools = []
    for style in styles:
        pool = list(sentences([speech / "text" / name for name in style.files], style.most_words))
        rng.shuffle(pool)
        pools.append((pool, style.weight))
    while any(pool for pool, _ in pools):
        ((pool, _),) = rng.choices(pools, [weight if pool else 0.0 for pool, weight in pools])
        sentence = pool.pop()
        key = text_key(sentence)
        if " " in sentence and key not in seen and not is_forbidden(sentence, forbidden):
            seen.add(key)
            yield sentence
