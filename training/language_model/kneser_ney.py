"""Word n-gram models with back-off: estimated, mixed, pruned, measured, and written as ARPA files.

Every order is a sorted array of integers: the key of an n-gram is the index of its first n-1 words in the
next lower order, times the size of the vocabulary, plus its last word. So all steps are sorts and binary
searches of whole arrays, and memory is a few numbers per n-gram.

Sources: S. Chen, J. Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling" (Harvard
TR-10-98, 1998), interpolated Kneser-Ney with three discounts; A. Stolcke, "Entropy-based Pruning of Backoff
Language Models" (DARPA Broadcast News Workshop, 1998).
"""

import gzip
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

UNKNOWN, BEGIN, END = 0, 1, 2
MARKS = ("<unk>", "<s>", "</s>")
"""The first words of every vocabulary."""

NEVER = -99.0
"""Base-10 logarithm in ARPA files for the mark of a sentence's beginning, which is never predicted."""


@dataclass(slots=True)
class Order:
    """All n-grams of one length, sorted by key.

    Attributes:
        keys: see the module's docstring, shape (n-grams,).
        probabilities: probability of the last word after the others, shape (n-grams,).
        backoffs: factor for longer n-grams that are absent, shape (n-grams,).
    """

    keys: Ints
    probabilities: Floats
    backoffs: Floats


@dataclass(slots=True)
class BackoffModel:
    """An n-gram model with back-off.

    p(w | h) is the probability of the n-gram hw. If that is absent, it is the back-off of h times
    p(w | h without its first word).
    """

    words: Sequence[str]
    orders: list[Order] = field(default_factory=list)

    def find(self, ngrams: Ints) -> Ints:
        """Return the index of each row of word ids, shape (rows, n), in order n; -1 if absent."""
        found = ngrams[:, 0].copy()
        for order, column in zip(self.orders[1:], ngrams.T[1:], strict=False):
            found = lookup(order.keys, np.where(found < 0, -1, found * len(self.words) + column))
        return found

    def ngrams(self, length: int) -> Ints:
        """Return the n-grams of one length as word ids, shape (n-grams, length)."""
        columns = []
        index = np.arange(len(self.orders[length - 1].keys))
        for order in reversed(self.orders[:length]):
            index, word = np.divmod(order.keys[index], len(self.words))
            columns.append(word)
        return np.stack(columns[::-1], axis=1)

    def probability(self, ngrams: Ints) -> Floats:
        """Return p(last word | the others) for each row of `ngrams`, shape (rows, n), n at most the order."""
        found = self.find(ngrams)
        result = np.zeros(len(ngrams))
        present = found >= 0
        result[present] = self.orders[ngrams.shape[1] - 1].probabilities[found[present]]
        if not present.all():
            absent = ngrams[~present]
            history = self.find(absent[:, :-1])
            backoffs = np.ones(len(absent))
            known = history >= 0
            backoffs[known] = self.orders[ngrams.shape[1] - 2].backoffs[history[known]]
            result[~present] = backoffs * self.probability(absent[:, 1:])
        return result

    def normalise(self) -> None:
        """Set every back-off so that the probabilities after each history sum to one."""
        for length in range(2, len(self.orders) + 1):
            order, below = self.orders[length - 1], self.orders[length - 2]
            histories = order.keys // len(self.words)
            lower = self.probability(self.ngrams(length)[:, 1:])
            seen = np.bincount(histories, order.probabilities, len(below.keys))
            seen_below = np.bincount(histories, lower, len(below.keys))
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = (1.0 - seen) / (1.0 - seen_below)
            usable = np.isfinite(ratio) & (ratio > 0)
            below.backoffs = np.where(usable, ratio, 1e-9)
            below.backoffs[np.bincount(histories, minlength=len(below.keys)) == 0] = 1.0

    def log10_of(self, sentences: Sequence[Sequence[int]]) -> tuple[float, int]:
        """Return the base-10 log-probability of sentences of word ids, and the number of events.

        Events are words and ends of sentences. Unknown words are skipped.
        """
        total, events = 0.0, 0
        for windows in windows_of(sentences, len(self.orders)):
            known = windows[windows[:, -1] != UNKNOWN]
            total += float(np.log10(self.probability(known)).sum())
            events += len(known)
        return total, events

    def perplexity(self, sentences: Sequence[Sequence[int]]) -> float:
        """Return the perplexity per known word and end of sentence."""
        total, events = self.log10_of(sentences)
        return math.pow(10.0, -total / max(events, 1))


def lookup(keys: Ints, wanted: Ints) -> Ints:
    """Return the index of each wanted key in sorted `keys`; -1 if absent."""
    if not len(keys):
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at, -1)


def windows_of(sentences: Sequence[Sequence[int]], length: int) -> list[Ints]:
    """Return every word and end of sentence with up to `length` - 1 preceding words.

    As arrays of shape (rows, n), for n from 2 to `length`; the shorter ones are at the beginnings.
    """
    stream = np.concatenate([[BEGIN, *sentence, END] for sentence in sentences] or [[]]).astype(np.int64)
    position = np.arange(len(stream))
    since = position - np.maximum.accumulate(np.where(stream == BEGIN, position, 0))
    windows = []
    for size in range(2, length + 1):
        ends = np.flatnonzero(since == size - 1 if size < length else since >= size - 1)
        windows.append(stream[ends[:, None] + np.arange(1 - size, 1)])
    return windows


def estimate(words: Sequence[str], sentences: Sequence[Sequence[int]], length: int) -> BackoffModel:
    """Estimate an interpolated modified Kneser-Ney model from sentences of word ids.

    The lowest order is mixed with the uniform distribution over `words`, so that unseen words have a
    probability too.
    """
    model = BackoffModel(words)
    size = len(words)
    unigrams = np.arange(size)
    model.orders.append(Order(unigrams, np.zeros(size), np.ones(size)))
    counts = [np.zeros(size)]
    for windows in (windows_of(sentences, n) for n in range(2, length + 1)):
        n = len(counts) + 1
        rows = np.concatenate([windows[-1]])
        history = model.find(rows[:, :-1])
        keys, count = np.unique(history * size + rows[:, -1], return_counts=True)
        model.orders.append(Order(keys, np.zeros(len(keys)), np.ones(len(keys))))
        counts.append(count.astype(float))
        # In lower orders, n-grams that begin a sentence keep their count; the others count left neighbours.
        ngrams = model.ngrams(n)
        below = model.find(ngrams[:, 1:])
        continued = np.bincount(below, minlength=len(counts[-2])).astype(float)
        begins = model.ngrams(n - 1)[:, 0] == BEGIN
        counts[-2] = np.where(begins, counts[-2], continued)
    counts[0][BEGIN] = 0.0
    for n in range(1, length + 1):
        _interpolate(model, n, counts[n - 1])
    return model


def _interpolate(model: BackoffModel, n: int, counts: Floats) -> None:
    """Set the probabilities of one order from its counts and the order below, and that order's back-offs."""
    size = len(model.words)
    order = model.orders[n - 1]
    discounts = discounts_of(counts)
    taken = np.minimum(discounts[np.minimum(counts, 3).astype(int)], counts)
    if n == 1:
        seen = counts.sum()
        left = taken.sum() / seen if seen else 1.0
        order.probabilities = (counts - taken) / max(seen, 1.0) + left / (size - 1)
        order.probabilities[BEGIN] = 0.0
        return
    below = model.orders[n - 2]
    histories = order.keys // size
    totals = np.bincount(histories, counts, len(below.keys))
    left = np.bincount(histories, taken, len(below.keys)) / np.maximum(totals, 1e-300)
    lower = model.probability(model.ngrams(n)[:, 1:])
    order.probabilities = (counts - taken) / totals[histories] + left[histories] * lower
    below.backoffs = np.where(totals > 0, left, 1.0)


def discounts_of(counts: Floats) -> Floats:
    """Return the discounts for counts of 0, 1, 2 and 3 or more, by Chen and Goodman's equation 26."""
    ones, twos, threes, fours = (float((counts == n).sum()) for n in range(1, 5))
    if not (ones and twos and threes and fours):
        return np.array([0.0, 0.5, 0.75, 0.9])  # too little text to estimate them
    y = ones / (ones + 2 * twos)
    found = [1 - 2 * y * twos / ones, 2 - 3 * y * threes / twos, 3 - 4 * y * fours / threes]
    return np.array([0.0, *(min(max(d, 0.05), n) for n, d in enumerate(found, 1))])


def mix(models: Sequence[BackoffModel], weights: Sequence[float]) -> BackoffModel:
    """Mix models over the same words linearly, into one back-off model of all their n-grams."""
    words = models[0].words
    mixed = BackoffModel(words, [Order(np.arange(len(words)), np.zeros(len(words)), np.ones(len(words)))])
    for n in range(1, max(len(model.orders) for model in models) + 1):
        if n > 1:
            rows = np.concatenate([model.ngrams(n) for model in models if len(model.orders) >= n])
            keys = np.unique(mixed.find(rows[:, :-1]) * len(words) + rows[:, -1])
            mixed.orders.append(Order(keys, np.zeros(len(keys)), np.ones(len(keys))))
        ngrams = mixed.ngrams(n)
        for model, weight in zip(models, weights, strict=True):
            mixed.orders[-1].probabilities += weight * model.probability(ngrams[:, -len(model.orders) :])
    mixed.normalise()
    return mixed


def mixture_weights(
    models: Sequence[BackoffModel], sentences: Sequence[Sequence[int]], rounds: int = 30
) -> list[float]:
    """Find the weights that maximise the likelihood of `sentences`, by expectation maximisation."""
    likelihoods = []
    for model in models:
        windows = windows_of(sentences, len(model.orders))
        likelihoods.append(np.concatenate([model.probability(w[w[:, -1] != UNKNOWN]) for w in windows]))
    given = np.stack(likelihoods)
    weights = np.full(len(models), 1.0 / len(models))
    for _ in range(rounds):
        shares = weights[:, None] * given
        weights = (shares / shares.sum(axis=0)).mean(axis=1)
    return [float(weight) for weight in weights]


def prune(model: BackoffModel, threshold: float) -> BackoffModel:
    """Remove the n-grams whose absence raises the perplexity by a smaller fraction than `threshold`.

    After Stolcke; a threshold is for example 1e-8. N-grams that begin a longer one that is kept are kept.
    """
    pruned = BackoffModel(model.words, [Order(o.keys, o.probabilities, o.backoffs) for o in model.orders])
    size = len(model.words)
    for n in range(len(model.orders), 1, -1):
        order, below = pruned.orders[n - 1], pruned.orders[n - 2]
        ngrams = pruned.ngrams(n)
        histories = order.keys // size
        p, lower = order.probabilities, pruned.probability(ngrams[:, 1:])
        seen = np.bincount(histories, p, len(below.keys))[histories]
        seen_below = np.bincount(histories, lower, len(below.keys))[histories]
        backoff = below.backoffs[histories]
        after = np.maximum(1.0 - seen + p, 1e-12) / np.maximum(1.0 - seen_below + lower, 1e-12)
        share = _history_probability(pruned, ngrams[:, :-1])
        rest = np.maximum(1.0 - seen, 1e-12)
        change = -share * (
            p * (np.log(lower) + np.log(after) - np.log(p)) + rest * (np.log(after) - np.log(backoff))
        )
        keep = np.expm1(change) >= threshold
        if n < len(pruned.orders):
            keep[np.unique(pruned.orders[n].keys // size)] = True
            moved = np.cumsum(keep) - 1
            longer = pruned.orders[n]
            longer.keys = moved[longer.keys // size] * size + longer.keys % size
        pruned.orders[n - 1] = Order(order.keys[keep], p[keep], order.backoffs[keep])
    pruned.normalise()
    return pruned


def _history_probability(model: BackoffModel, histories: Ints) -> Floats:
    """Return the probability of each row of words, by the chain rule."""
    result = np.ones(len(histories))
    for end in range(1, histories.shape[1] + 1):
        part = model.probability(histories[:, :end])
        result *= np.where(histories[:, end - 1] == BEGIN, model.orders[0].probabilities[END], part)
    return result


def write_arpa(model: BackoffModel, path: Path) -> None:
    """Write the model as an ARPA file, gzipped if `path` ends in .gz. Equal models give equal bytes."""
    text = io.StringIO()
    text.write("\\data\\\n")
    for n, order in enumerate(model.orders, 1):
        text.write(f"ngram {n}={len(order.keys)}\n")
    for n, order in enumerate(model.orders, 1):
        text.write(f"\n\\{n}-grams:\n")
        logs = np.where(order.probabilities > 0, np.log10(np.maximum(order.probabilities, 1e-99)), NEVER)
        backs = np.log10(np.maximum(order.backoffs, 1e-9))
        for row, log, back in zip(model.ngrams(n).tolist(), logs.tolist(), backs.tolist(), strict=True):
            tail = f"\t{back:.3f}" if n < len(model.orders) and back else ""
            text.write(f"{log:.3f}\t{' '.join(model.words[word] for word in row)}{tail}\n")
    text.write("\n\\end\\\n")
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data, 9, mtime=0) if path.suffix == ".gz" else data)
