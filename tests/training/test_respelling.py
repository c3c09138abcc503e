"""Phones put together from real voices, and the spelling part taught by them."""

import ctypes.util
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import require

require("torch")

import torch  # noqa: E402

from training.batches import Symbols  # noqa: E402
from training.checkpoint import RESPELT, Checkpoint, averaged_network, newest, respelt  # noqa: E402
from training.heldout import from_store  # noqa: E402
from training.loop import train  # noqa: E402
from training.mishearing import Bank, encoded, listen  # noqa: E402
from training.respelling import Lessons, Watch, read_out, teach  # noqa: E402
from training.schedule import Course, Settings  # noqa: E402
from training.store import Store  # noqa: E402

COURSE = Course(updates=3, sentences=6, synthetic_clips=4, ramp_updates=1)
SETTINGS = Settings(
    updates=2, warm_updates=1, ramp_updates=1, batch_seconds=8.0, width=16, inner_blocks=1, threads=1
)


def heard_as(path: list[int], marks: list[float], phones: int = 5) -> np.ndarray:
    """Log-probabilities that say `path` frame by frame; `marks` are the last phone's column."""
    made = np.full((len(path), phones), -9.0, np.float32)
    made[np.arange(len(path)), path] = -0.1
    made[:, -1] = marks
    return made


def test_cuts_follow_one_another_and_lose_nothing_between_phones() -> None:
    rng = np.random.default_rng(0)
    bank = Bank()
    utterance = heard_as([0, 1, 1, 0, 0, 2, 0, 3, 0], [-20.0 - i for i in range(9)])
    assert bank.add("hi", utterance, [1, 2, 3], rng)
    assert bank.groups == {"hi": 3}
    drawn = bank.draw("hi", [1, 2, 3], rng)
    marks = (-20.0 - drawn[:, -1]).round().astype(int).tolist()
    assert marks == list(range(marks[0], marks[-1] + 1))
    assert marks[0] <= 1
    assert marks[-1] >= 7


def test_the_same_neighbours_are_preferred_and_any_voice_helps_out() -> None:
    rng = np.random.default_rng(0)
    bank = Bank()
    for _ in range(3):
        bank.add("hi", heard_as([1, 2, 3], [-20.0] * 3), [1, 2, 3], rng)
        bank.add("hi", heard_as([3, 2, 1], [-30.0] * 3), [3, 2, 1], rng)
        bank.add("pa-IN", heard_as([2, 4, 2], [-9.0, -0.1, -9.0]), [2, 4, 2], rng)
    drawn = bank.draw("hi", [1, 2, 3], rng)
    assert set(drawn[:, -1].tolist()) == {-20.0}
    assert len(bank.draw("hi", [4], rng)) > 0
    assert len(bank.draw("hi", [], rng)) == 0


def test_an_utterance_too_short_for_its_phones_is_not_taken() -> None:
    bank = Bank()
    assert not bank.add("hi", heard_as([1, 1], [-9.0] * 2), [1, 1], np.random.default_rng(0))
    assert not bank.add("hi", heard_as([1], [-9.0]), [], np.random.default_rng(0))
    assert bank.groups == {}


def test_only_the_spelling_part_changes_and_only_real_voices_are_cut(store: Path) -> None:
    work = store
    checkpoint = Checkpoint.load(train(work, SETTINGS, [], False, None, lambda *_: None))
    network, symbols = averaged_network(checkpoint), Symbols.load(work / "store")
    opened = Store(work / "store")
    heard = listen(network, opened, symbols, COURSE, lambda _: None)
    spelt = [clip for clip in opened.clips if clip.source == "reader-hi" and clip.split == "train"]
    assert set(heard.bank.groups) == {"hi"}
    assert len(heard.real) == 2 * len(spelt)
    assert len(heard.synthetic) == COURSE.synthetic_clips
    texts = [[([2, 1, 3], "कम न"), ([3, 4], "मन")], []]
    watch = Watch(network, symbols, [from_store(opened)])
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    lines: list[str] = []
    teach(network, Lessons(heard, texts, symbols, COURSE), COURSE, watch, lambda _, line: lines.append(line))
    changed = {name for name, weight in network.state_dict().items() if not torch.equal(weight, before[name])}
    assert changed
    assert all(name.startswith("spelling") for name in changed)
    assert any("held-out books" in line for line in lines)


def test_the_same_seed_gives_the_same_lessons(store: Path) -> None:
    checkpoint = Checkpoint.load(train(store, SETTINGS, [], False, None, lambda *_: None))
    network, symbols = averaged_network(checkpoint), Symbols.load(store / "store")
    heard = listen(network, Store(store / "store"), symbols, COURSE, lambda _: None)
    texts = [[([2, 1, 3], "कम न"), ([3, 4], "मन")]]
    first, second = (Lessons(heard, texts, symbols, COURSE) for _ in range(2))
    for one, other in zip(first.batch(), second.batch(), strict=True):
        assert torch.equal(one, other)


def test_what_is_heard_does_not_depend_on_the_batch(store: Path) -> None:
    checkpoint = Checkpoint.load(train(store, SETTINGS, [], False, None, lambda *_: None))
    network = averaged_network(checkpoint)
    opened = Store(store / "store")
    waveforms = [opened.waveform(clip) for clip in opened.clips[:3]]
    together = encoded(network, waveforms)
    for waveform, found in zip(waveforms, together, strict=True):
        assert np.abs(encoded(network, [waveform])[0] - found).max() < 0.1


def test_texts_get_their_phones() -> None:
    if ctypes.util.find_library("espeak-ng") is None and not os.environ.get("CI"):
        pytest.skip("the library espeak-ng is missing")
    symbols = Symbols(["<blk>", "k", "ə", "m", "l"], [], {})
    assert read_out(["कमल", "अ"], symbols) == [([1, 2, 3, 2, 4], "कमल")]


def test_a_respelt_checkpoint_is_the_newest_until_training_goes_on(store: Path) -> None:
    checkpoint = Checkpoint.load(train(store, SETTINGS, [], False, None, lambda *_: None))
    assert torch.equal(newest(store).average["spelling_head.bias"], checkpoint.average["spelling_head.bias"])
    checkpoint.average["spelling_head.bias"] += 1.0
    checkpoint.save(store / RESPELT)
    assert torch.equal(newest(store).average["spelling_head.bias"], checkpoint.average["spelling_head.bias"])
    train(store, replace(SETTINGS, updates=3), [], True, None, lambda *_: None)
    assert newest(store).update == 3
    assert respelt(store) is None
