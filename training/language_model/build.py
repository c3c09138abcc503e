"""Build the recipe's language model: a pruned mixture of one n-gram model per style."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from speech.decoding.language_model import FILE_NAME
from training.corpora.prepare import Sources
from training.language_model.kneser_ney import estimate, mix, mixture_weights, prune, write_arpa
from training.language_model.texts import SPOKEN_STYLES, STYLES, Sentence, read_style, split, vocabulary

Numbered = list[list[int]]
"""Sentences as word ids of the vocabulary."""


def _numbered(sentences: Sequence[Sentence], numbers: Mapping[str, int]) -> Numbered:
    return [[numbers[word] for word in sentence] for sentence in sentences]


def _weights(
    words: list[str], kept: Mapping[str, Numbered], measured: Numbered, length: int, threshold: float
) -> tuple[list[float], dict[str, float]]:
    """Return the weights of the styles' models, and perplexities on the held-out sentences `measured`.

    Args:
        kept: sentences of each style, without the held-out ones.
    """
    models = [estimate(words, found, length) for found in kept.values()]
    weights = mixture_weights(models, measured)
    whole = mix(models, weights)
    lumped = estimate(words, [s for found in kept.values() for s in found], length)
    perplexities = {
        "one model of all": lumped.perplexity(measured),
        "mixture": whole.perplexity(measured),
        "mixture, pruned": prune(whole, threshold).perplexity(measured),
    }
    return weights, perplexities


def build(
    speech: Path, out: Path, length: int, threshold: float, report: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Write `out`/words.arpa.gz, a pruned mixture of one model per style, and beside it facts for model.json.

    Mixture weights and perplexities are computed on held-out sentences. The written model is estimated from
    all sentences, including those.

    Args:
        speech: the folder with the recipe's corpora and texts.
        length: length of the longest n-gram in words.
        threshold: pruning threshold, see `training.language_model.kneser_ney.prune`.
        report: called with a line for each step.
    """
    forbidden = Sources.of_recipe(speech).forbidden()
    styles = {style: read_style(speech, files, forbidden) for style, files in STYLES.items()}
    words = vocabulary(speech, styles)
    numbers = {word: number for number, word in enumerate(words)}

    known = {style: _numbered(found, numbers) for style, found in styles.items()}
    report(f"{sum(map(len, known.values()))} sentences, {len(words)} words in the vocabulary")

    kept, measured = dict(known), []
    for style in SPOKEN_STYLES:
        learnt, held = split(styles[style])
        kept[style] = _numbered(learnt, numbers)
        measured += _numbered(held, numbers)
    weights, perplexities = _weights(words, kept, measured, length, threshold)
    report("weights " + ", ".join(f"{s} {w:.2f}" for s, w in zip(kept, weights, strict=True)))
    report("perplexity " + ", ".join(f"{name} {value:.0f}" for name, value in perplexities.items()))

    final = prune(mix([estimate(words, found, length) for found in known.values()], weights), threshold)
    out.mkdir(parents=True, exist_ok=True)
    write_arpa(final, out / FILE_NAME)
    facts = {
        "command": f"python -m training language-model --length {length} --threshold {threshold:g}",
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
