"""Calibrate word confidences, so that of words with confidence p a share p is right, and measure how well.

Sources: C. Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), for the reliability table and
the expected calibration error; T. Fawcett, "An introduction to ROC analysis" (Pattern Recognition Letters
2006), for the area under the curve.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from modelkit.description import read_description, write_description
from modelkit.measuring.manifest import Entry
from modelkit.measuring.matching import matches
from speech import Utterance, normalise_for_scoring
from speech.decoding import FEATURES, Calibration, Heard
from speech.recognisers import LogProbs

Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]

RIDGE = 1.0
"""Ridge penalty on the weights of features scaled to unit variance: a Gaussian prior of variance one."""


class Hearing(Protocol):
    """A decoder that returns the features of its words."""

    def hear(self, log_probs: LogProbs) -> Heard: ...


@dataclass(frozen=True, slots=True)
class Words:
    """All words that a decoder output.

    Attributes:
        features: shape (words, features), see `speech.decoding.confidence.FEATURES`.
        right: whether the word matches the reference, shape (words,).
        speakers: shape (words,).
    """

    features: Floats
    right: Truths
    speakers: npt.NDArray[np.str_]


def gather(decoder: Hearing, entries: Sequence[Entry], heard: Sequence[Sequence[Utterance]]) -> Words:
    """Decodes what `modelkit.measuring.utterances.utterances_of` returned for the entries."""
    features, right, speakers = [np.zeros((0, len(FEATURES)))], [np.zeros(0, bool)], [""][:0]
    for entry, utterances in zip(entries, heard, strict=True):
        found = [decoder.hear(utterance.emission) for utterance in utterances]
        texts = [normalise_for_scoring(text) for one in found for text in one.texts]
        said = normalise_for_scoring(entry.text).split()
        truths = np.zeros(len(texts), bool)
        truths[[position for _, position in matches(said, texts)]] = True
        features += [one.features for one in found]
        right.append(truths)
        speakers += [entry.speaker] * len(texts)
    return Words(np.concatenate(features), np.concatenate(right), np.array(speakers, np.str_))


def fit(features: Floats, right: Truths) -> Calibration:
    """Fit a logistic regression with a ridge penalty by Newton's method."""
    means, spreads = features.mean(axis=0), features.std(axis=0)
    known = spreads > 1e-9  # constant features, such as `language` with greedy decoding, get weight 0
    spreads[~known] = 1.0
    scaled = np.column_stack([np.ones(len(features)), (features - means) / spreads * known])
    penalty = np.diag([1e-6, *[RIDGE] * len(FEATURES)])
    weights = np.zeros(scaled.shape[1])
    for _ in range(100):
        guess = 1.0 / (1.0 + np.exp(-scaled @ weights))
        slope = scaled.T @ (guess - right) + penalty @ weights
        curvature = (scaled * (guess * (1.0 - guess))[:, None]).T @ scaled + penalty
        step = np.linalg.solve(curvature, slope)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    plain = weights[1:] / spreads * known
    return Calibration(float(weights[0] - plain @ means), tuple(float(weight) for weight in plain))


def with_noise(features: Floats, right: Truths, noise: Floats, share: float) -> tuple[Floats, Truths]:
    """Add words decoded from noise, which are all wrong, so that they make up `share` of all words.

    Args:
        noise: features of words decoded where nobody speaks, shape (words, features).
    """
    count = min(round(share / (1.0 - share) * len(right)), len(noise))
    drawn = np.random.default_rng(0).permutation(len(noise))[:count]
    return np.concatenate([features, noise[drawn]]), np.concatenate([right, np.zeros(count, bool)])


def cross_validated(words: Words, noise: Floats, share: float) -> Floats:
    """Compute the confidences of each speaker's words with a fit on all others and noise, shape (words,).

    Raises:
        ValueError: fewer than two speakers.
    """
    speakers = sorted(set(words.speakers.tolist()))
    if len(speakers) < 2:
        raise ValueError(
            "Fitting confidence takes at least two speakers, so that it can be measured on an unseen one."
        )
    found = np.zeros(len(words.right))
    for speaker in speakers:
        own = words.speakers == speaker
        fitted = fit(*with_noise(words.features[~own], words.right[~own], noise, share))
        found[own] = fitted.confidences(words.features[own])
    return found


def area_under_curve(confidences: Floats, right: Truths) -> float:
    """Return the probability that a right word has a higher confidence than a wrong one; ties count half."""
    wrong = np.sort(confidences[~right])
    if not len(wrong) or not right.any():
        return float("nan")
    below = np.searchsorted(wrong, confidences[right], "left")
    up_to = np.searchsorted(wrong, confidences[right], "right")
    return float((below + up_to).mean() / 2 / len(wrong))


@dataclass(frozen=True, slots=True)
class Bin:
    """The words with a confidence from `low` to `high`."""

    low: float
    high: float
    words: int
    confidence: float
    right: float


def reliability(confidences: Floats, right: Truths, bins: int = 10) -> list[Bin]:
    """Return the mean confidence and the share of right words by confidence, without empty bins."""
    which = np.minimum((confidences * bins).astype(int), bins - 1)
    return [
        Bin(
            number / bins,
            (number + 1) / bins,
            int((which == number).sum()),
            float(confidences[which == number].mean()),
            float(right[which == number].mean()),
        )
        for number in sorted(set(which.tolist()))
    ]


def calibration_error(table: Sequence[Bin]) -> float:
    """Compute the expected calibration error: |confidence - share of right words|, averaged over words."""
    words = sum(row.words for row in table)
    return sum(row.words * abs(row.confidence - row.right) for row in table) / max(words, 1)


def record_confidence(folder: Path, decoder: str, fitted: Calibration, facts: dict[str, Any]) -> None:
    """Record a decoder's calibration in model.json, together with `facts` about it."""
    entries = read_description(folder)
    decoding = entries.get("decoding", {})
    confidence = {**decoding.get("confidence", {}), decoder: {**fitted.entry(), "fitted": facts}}
    write_description(folder, {**entries, "decoding": {**decoding, "confidence": confidence}})
