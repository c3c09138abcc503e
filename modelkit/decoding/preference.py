"""Measure the benefit and the cost of hot-words over a range of weights."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from modelkit.measuring.manifest import Entry
from modelkit.measuring.scoring import ErrorCounts, edit_counts
from speech import Utterance, normalise_for_scoring
from speech.decoding import BeamDecoder

RARE = -4.5
"""Words more probable than this (base-10 log) are too common to be given as hot-words."""

Heard = Sequence[Sequence[Utterance]]


@dataclass(slots=True)
class Effect:
    """Counts for one weight. Rates are `found / said` and `errors.rate`.

    Attributes:
        said: occurrences of hot-words in the references.
        found: occurrences of hot-words that were decoded where they were spoken.
        false: hot-words that were decoded but not spoken.
        errors: errors of all words.
        others: errors of the words that are not hot-words.
    """

    said: int = 0
    found: int = 0
    false: int = 0
    errors: ErrorCounts = field(default_factory=ErrorCounts)
    others: ErrorCounts = field(default_factory=ErrorCounts)


def written(decoder: BeamDecoder, heard: Heard) -> list[list[str]]:
    """Decode the normalised words of each recording."""
    return [
        normalise_for_scoring(
            " ".join(
                word.text for one in utterances for word in decoder.words(one.emission, one.start, one.end)
            )
        ).split()
        for utterances in heard
    ]


def missed_words(
    decoder: BeamDecoder, said: Sequence[list[str]], found: Sequence[list[str]], most: int
) -> list[str]:
    """Return rare words of the references that the decoder misses, the most often missed ones first."""
    missed: Counter[str] = Counter()
    for reference, hypothesis in zip(said, found, strict=True):
        missed.update(Counter(reference) - Counter(hypothesis))
    return [word for word, _ in missed.most_common() if decoder.rarity(word) < RARE][:most]


def hotword_lists(
    decoder: BeamDecoder, entries: Sequence[Entry], heard: Heard, most: int
) -> dict[str, tuple[str, ...]]:
    """Make a list of hot-words for each speaker.

    Up to `most` rare words that the decoder misses, and as many that other speakers said but this one never
    did, as in a list that somebody uses for all recordings.
    """
    said, found = _by_speaker(entries, [normalise_for_scoring(e.text).split() for e in entries]), {}
    for speaker, texts in _by_speaker(entries, written(decoder, heard)).items():
        found[speaker] = missed_words(decoder, said[speaker], texts, most)
    lists = {}
    for speaker, own in found.items():
        met = {word for text in said[speaker] for word in text}
        foreign = [word for other in found for word in found[other] if word not in met]
        lists[speaker] = (*own, *dict.fromkeys(foreign[:most]))
    return lists


def effect(
    decoder: BeamDecoder,
    entries: Sequence[Entry],
    heard: Heard,
    lists: dict[str, tuple[str, ...]],
    weight: float | None,
) -> Effect:
    """Decode each speaker's recordings with the speaker's list, or without it if `weight` is None."""
    total = Effect()
    for entry, utterances in zip(entries, heard, strict=True):
        words = lists[entry.speaker]
        chosen = decoder if weight is None or not words else decoder.preferring(words, weight)
        said = normalise_for_scoring(entry.text).split()
        found = written(chosen, [utterances])[0]
        hot = set(words)
        ours, theirs = Counter(w for w in said if w in hot), Counter(w for w in found if w in hot)
        total.said += ours.total()
        total.found += (ours & theirs).total()
        total.false += (theirs - ours).total()
        total.errors += edit_counts(said, found)
        total.others += edit_counts([w for w in said if w not in hot], [w for w in found if w not in hot])
    return total


def _by_speaker(entries: Sequence[Entry], texts: Sequence[list[str]]) -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    for entry, text in zip(entries, texts, strict=True):
        found.setdefault(entry.speaker, []).append(text)
    return found
