"""Sentences to speak: cut from texts, none that an evaluation set holds, drawn by style."""

import random
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from modelkit import read_manifest
from training.recipe import TextStyle
from training.text.spelling import text_key, training_text

SENTENCE_ENDS = re.compile("[।॥?!\n]")
TELLING_KEY = 12
"""Letters from which on one sentence inside another counts as the same."""


def forbidden_keys(manifests: Iterable[Path], texts: Iterable[str]) -> set[str]:
    """Keys of the sentences of `manifests` and of `texts`, none of which may be spoken or trained on."""
    keys = {text_key(entry.text) for path in manifests for entry in read_manifest(path)}
    return keys | {text_key(text) for text in texts}


def holds_forbidden(key: str, forbidden: Collection[str]) -> bool:
    """Whether the text with this `text_key` is a forbidden sentence or holds a long one."""
    return key in forbidden or any(len(other) >= TELLING_KEY and other in key for other in forbidden)


def is_forbidden(text: str, forbidden: Collection[str]) -> bool:
    """Whether `text` is a forbidden sentence, holds a long one, or is a long part of one."""
    key = text_key(text)
    return holds_forbidden(key, forbidden) or (
        len(key) >= TELLING_KEY and any(key in other for other in forbidden)
    )


def sentences(texts: Iterable[Path], most_words: int) -> Iterator[str]:
    """Every sentence in the model's characters, cut to `most_words` words."""
    for path in texts:
        for piece in SENTENCE_ENDS.split(path.read_text(encoding="utf-8")):
            words = (training_text(piece) or "").split()
            for start in range(0, len(words), most_words):
                yield " ".join(words[start : start + most_words])


def drawn(
    speech: Path, styles: Sequence[TextStyle], forbidden: Collection[str], used: Iterable[str], seed: int
) -> Iterator[str]:
    """Sentences of two words and more, each once, in an order that follows from `seed`.

    A style is drawn by its weight until it is used up. Neither a sentence of `used` nor anything forbidden
    comes up.

    Args:
        speech: folder whose `text` holds the styles' files.
        forbidden: keys as `forbidden_keys` makes them.
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
