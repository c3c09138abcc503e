import gzip
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelkit.measuring.manifest import read_manifest
from training.corpora.prepare import Sources
from training.language_model.build import build
from training.language_model.kneser_ney import (
    BEGIN,
    END,
    MARKS,
    BackoffModel,
    discounts_of,
    estimate,
    mix,
    mixture_weights,
    prune,
    write_arpa,
)
from training.language_model.texts import (
    MOST_HELD_OUT,
    STYLES,
    is_held_out,
    read_style,
    split,
    words_of_sentences,
)
from training.recipe import HELD_OUT_BOOKS
from training.text.spelling import plain_text, text_key

WORDS = (*MARKS, "घर", "जल", "कर", "चल", "मत")


def drawn(count: int, seed: int) -> list[list[int]]:
    """Sentences in which a word decides mostly on the next one."""
    dice = random.Random(seed)
    made = []
    for _ in range(count):
        sentence = [dice.randrange(3, len(WORDS))]
        while dice.random() < 0.8:
            following = 3 + (2 * sentence[-1] + seed) % (len(WORDS) - 3)
            sentence.append(following if dice.random() < 0.7 else dice.randrange(3, len(WORDS)))
        made.append(sentence)
    return made


def sums(model: BackoffModel, histories: list[list[int]]) -> list[float]:
    """Of the probabilities of everything that may follow."""
    following = [word for word in range(len(model.words)) if word != BEGIN]
    return [
        float(model.probability(np.array([[*history, word] for word in following])).sum())
        for history in histories
    ]


HISTORIES = [[BEGIN], [3], [BEGIN, 4], [3, 5], [7, 7], [0, 3]]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([0, *range(3, len(WORDS))]), max_size=6), min_size=1),
    st.integers(2, 4),
)
def test_probabilities_after_any_history_add_up_to_one(text: list[list[int]], length: int) -> None:
    model = estimate(WORDS, text, length)
    longest = [history[1 - length :] for history in HISTORIES]
    assert sums(model, longest) == pytest.approx([1.0] * len(longest))
    assert sums(prune(model, 0.05), longest) == pytest.approx([1.0] * len(longest), abs=1e-6)
    for order in model.orders:
        assert (np.diff(order.keys) > 0).all()
        assert (order.probabilities >= 0).all()


def test_kneser_ney_by_hand() -> None:
    """Bigrams 3 4, 3 4, 5 4 and 3 5: 4 follows two words, 5 follows one and begins a sentence."""
    model = estimate(WORDS, [[3, 4], [3, 4], [5, 4], [3, 5]], 2)
    discounts = discounts_of(np.zeros(0))
    continuations = {3: 1, 4: 2, 5: 2, END: 2}  # words before each, that of a beginning included
    left = sum(discounts[min(c, 3)] for c in continuations.values()) / 7
    lower = (2 - discounts[2]) / 7 + left / (len(WORDS) - 1)
    assert model.probability(np.array([[4]]))[0] == pytest.approx(lower)
    after_three = (2 - discounts[2]) / 3 + (discounts[2] + discounts[1]) / 3 * lower
    assert model.probability(np.array([[3, 4]]))[0] == pytest.approx(after_three)


def test_discounts_follow_from_the_counts_of_counts() -> None:
    counts = np.repeat([1.0, 2.0, 3.0, 4.0], [100, 40, 20, 10])
    y = 100 / 180
    expected = [0, 1 - 2 * y * 40 / 100, 2 - 3 * y * 20 / 40, 3 - 4 * y * 10 / 20]
    assert discounts_of(counts) == pytest.approx(expected)


def test_a_longer_history_helps() -> None:
    text, other = drawn(800, 1), drawn(200, 1)
    assert estimate(WORDS, text, 2).perplexity(other) < 0.8 * len(WORDS)
    assert estimate(WORDS, text, 3).perplexity(text) < estimate(WORDS, text, 2).perplexity(text)


def test_a_mixture_is_the_weighted_mean_and_finds_its_weights() -> None:
    near, far = estimate(WORDS, drawn(500, 1), 3), estimate(WORDS, drawn(500, 2), 2)
    held = drawn(300, 1)
    weights = mixture_weights([near, far], held)
    assert sum(weights) == pytest.approx(1.0)
    assert weights[0] > 0.8
    mixed = mix([near, far], [0.75, 0.25])
    assert sums(mixed, HISTORIES) == pytest.approx([1.0] * len(HISTORIES))
    seen = near.ngrams(3)
    mean = 0.75 * near.probability(seen) + 0.25 * far.probability(seen[:, 1:])
    assert mixed.probability(seen) == pytest.approx(mean)
    assert mix([near, far], weights).perplexity(held) <= near.perplexity(held) * 1.001


def test_pruning_takes_more_the_higher_the_threshold_and_costs_little() -> None:
    text, other = drawn(2000, 1), drawn(200, 1)
    whole = estimate(WORDS, text, 3)
    sizes, perplexities = [], []
    for threshold in (0.0, 1e-5, 1e-3, 1.0):
        pruned = prune(whole, threshold)
        sizes.append([len(order.keys) for order in pruned.orders])
        perplexities.append(pruned.perplexity(other))
        histories = np.unique(pruned.orders[2].keys // len(WORDS))
        assert (histories < len(pruned.orders[1].keys)).all()
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == [len(WORDS), 0, 0]
    assert perplexities[1] < 1.02 * perplexities[0]
    assert perplexities[2] < perplexities[3]


def test_the_decoder_reads_the_file_as_the_model_means_it(tmp_path: Path) -> None:
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    model = prune(estimate(WORDS, drawn(500, 1), 3), 1e-5)
    write_arpa(model, tmp_path / "words.arpa.gz")
    dictionary = Dictionary()
    for word in WORDS:
        dictionary.add_entry(word)
    reader = KenLM(str(tmp_path / "words.arpa.gz"), dictionary)
    for sentence in drawn(50, 3):
        state, found = reader.start(False), 0.0
        for word in sentence:
            state, score = reader.score(state, word)
            found += score
        found += reader.finish(state)[1]
        expected, events = model.log10_of([sentence])
        assert events == len(sentence) + 1
        assert found == pytest.approx(expected, abs=2e-3 * events)


def test_equal_models_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.arpa.gz", "b.arpa.gz", "c.arpa"):
        write_arpa(estimate(WORDS, drawn(100, 1), 3), tmp_path / name)
    data = [(tmp_path / name).read_bytes() for name in ("a.arpa.gz", "b.arpa.gz", "c.arpa")]
    assert data[0] == data[1]
    assert gzip.decompress(data[0]) == data[2]


def test_sentences_are_words_without_what_is_forbidden() -> None:
    text = "वह घर गया। फिर २ बजे, वह आया!\nहाँ, वह बहुत दूर चला गया है।\nयह है?\nOK 5"
    assert list(words_of_sentences(text, set())) == [
        ["वह", "घर", "गया"],
        ["फिर", "<unk>", "बजे", "वह", "आया"],
        ["हाँ", "वह", "बहुत", "दूर", "चला", "गया", "है"],
        ["यह", "है"],
    ]
    forbidden = {text_key("वह बहुत दूर चला गया"), text_key("यह है।")}
    assert [" ".join(s) for s in words_of_sentences(text, forbidden)] == ["वह घर गया", "फिर <unk> बजे वह आया"]


def test_no_dev_or_held_out_sentence_is_learnt(speech_dir: Path) -> None:
    """Neither as a sentence nor, when it is long enough to tell, as a part of a line's sentences."""
    pages = [
        entry.text
        for entry in read_manifest(speech_dir / "reader-hi" / "pages.tsv")
        if entry.speaker in HELD_OUT_BOOKS
    ]
    dev = [entry.text for entry in read_manifest(speech_dir / "cv-hi" / "manifest.tsv")]
    evaluated = {text_key(text) for text in [*dev, *pages] if " " in plain_text(text)}
    assert len(evaluated) > 60
    forbidden = Sources.of_recipe(speech_dir).forbidden()
    assert evaluated <= forbidden
    learnt = [s for files in STYLES.values() for s in read_style(speech_dir, files, forbidden)]
    assert len(learnt) > 50_000
    keys = [text_key(" ".join(sentence)) for sentence in learnt]
    assert not evaluated & set(keys)
    everything = "\n".join(keys)
    assert not [key for key in evaluated if len(key) >= 12 and key in everything]
    read = {name for files in STYLES.values() for name in files}
    assert not [name for name in read if "cv-hi" in name or "test" in name.lower()]


def test_the_sentences_that_weigh_are_one_in_twelve_and_stay_so() -> None:
    made = [[chr(0x0915 + i % 30), chr(0x0915 + i // 30)] for i in range(900)]
    held = [sentence for sentence in made if is_held_out(sentence)]
    assert 40 < len(held) < 120
    assert all(is_held_out(list(sentence)) for sentence in held)


def test_held_out_sentences_are_not_learnt_again_where_they_are_repeated() -> None:
    made = [[chr(0x0915 + i % 30), chr(0x0915 + i // 30)] for i in range(900)]
    learnt, held = split(made + made)
    assert 40 < len(held) <= MOST_HELD_OUT
    assert not {tuple(s) for s in learnt} & {tuple(s) for s in held}
    assert {tuple(s) for s in learnt} | {tuple(s) for s in held} == {tuple(s) for s in made}


def test_every_text_of_the_speech_folder_is_in_one_style(speech_dir: Path) -> None:
    read = [name for files in STYLES.values() for name in files if name.endswith(".txt")]
    assert sorted(read) == sorted(path.name for path in (speech_dir / "text").glob("*.txt"))


def test_building_writes_a_model_and_its_facts(
    speech_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    styles = {"talk": ("tatoeba-anki.txt", "reader-hi/pages.tsv"), "stories": ("hi-reactjs-docs.txt",)}
    monkeypatch.setattr("training.language_model.build.STYLES", styles)
    monkeypatch.setattr("training.language_model.build.SPOKEN_STYLES", ("talk",))
    facts = build(speech_dir, tmp_path / "lm", 2, 1e-6)
    assert facts["bytes"] == (tmp_path / "lm" / "words.arpa.gz").stat().st_size
    assert facts["perplexity"]["mixture"] < facts["perplexity"]["one model of all"] * 1.01
    assert sum(facts["weights"].values()) == pytest.approx(1.0, abs=1e-3)
    assert (tmp_path / "lm" / "language-model.json").is_file()
