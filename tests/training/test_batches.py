"""Which clips are heard together, and the store that they come from."""

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from training.corpora.store import Clip, Store, Symbols
from training.recipe import SAMPLE_RATE
from training.run.batches import Plan, collapse, text_of

SECONDS = 8.0


def made(work: Path, seed: int = 7) -> Plan:
    return Plan(Store(work / "store").clips, Symbols.load(work / "store"), seed, SECONDS)


def many(shares: dict[str, float], seconds: float = 3.0) -> tuple[list[Clip], Plan]:
    """A hundred clips a group, a sentence each, and a plan of them."""
    size = int(seconds * SAMPLE_RATE)
    clips = [
        Clip(size * n, size, "train", group, group, "hi", "", 1.0, "k", "" if group == "languages" else "क")
        for n, group in enumerate(list(shares) * 100)
    ]
    return clips, Plan(clips, Symbols(["<blk>", "k"], ["<blk>", "▁", "क"], {}), 7, 60.0, shares)


def test_batches_follow_from_the_seed_and_from_where_they_begin(store: Path) -> None:
    first = list(islice(made(store).batches(), 400))
    assert first == list(islice(made(store).batches(), 400))
    assert first[333:] == list(islice(made(store).batches(333), 67))
    assert first != list(islice(made(store, 8).batches(), 400))


def test_a_batch_is_no_longer_than_its_budget_and_of_similar_rows(store: Path) -> None:
    filled = []
    for batch in islice(made(store).batches(), 300):
        lengths = [row.samples for row in batch]
        assert len(batch) == 1 or max(lengths) * len(batch) <= SECONDS * SAMPLE_RATE
        filled.append(sum(lengths) / (max(lengths) * len(batch)))
    assert np.mean(filled) > 0.9


def test_no_row_has_a_held_out_clip_and_every_other_clip_is_heard(store: Path) -> None:
    clips = Store(store / "store").clips
    heard = {p.offset for batch in islice(made(store).batches(), 300) for row in batch for p in row.pieces}
    assert heard == {clip.offset for clip in clips if clip.split == "train"}


def test_pieces_lie_one_after_the_other_inside_their_row(store: Path) -> None:
    clips = {clip.offset: clip for clip in Store(store / "store").clips}
    rows = [row for batch in islice(made(store).batches(), 300) for row in batch]
    assert {len(row.pieces) for row in rows} == {1, 2, 3}
    for row in rows:
        end = 0
        for piece in row.pieces:
            assert piece.start >= end
            assert piece.length == int(piece.samples / piece.factor)
            end = piece.start + piece.length
        assert end <= row.samples <= end + 2.0 * SAMPLE_RATE
        assert len(row.phones) == 5 * len(row.pieces)
        spelt = {bool(clips[piece.offset].text) for piece in row.pieces}
        assert len(spelt) == 1
        assert len(row.characters) == (5 * len(row.pieces) - 1 if spelt == {True} else 0)
    starts = [row.pieces[0].start / SAMPLE_RATE for row in rows]
    assert 0.1 < np.mean([start > 0.3 for start in starts]) < 0.3
    assert max(starts) < 2.0


def test_groups_get_their_shares_and_none_is_taken_from_an_empty_one() -> None:
    shares = {"kokoro": 0.5, "languages": 0.3, "hindi": 0.2}
    clips, plan = many(shares)
    groups = {clip.offset: clip.group for clip in clips}
    rng = np.random.default_rng(1)
    found = Counter(groups[plan.row(rng).pieces[0].offset] for _ in range(4000))
    for group, share in shares.items():
        assert found[group] / 4000 == pytest.approx(share, abs=0.03)
    _, empty = many({"kokoro": 0.5})
    assert empty.row(rng).phones
    with pytest.raises(ValueError, match="no clip"):
        Plan([], Symbols([], [], {}), 7, 60.0)


def test_clips_of_a_language_with_more_weight_and_longer_ones_are_drawn_more() -> None:
    size = 2 * SAMPLE_RATE
    clips = [
        Clip(0, size, "train", "hindi", "a", "hi", "", 1.0, "k", "क"),
        Clip(size, size, "train", "hindi", "a", "hi", "", 3.0, "k", "क"),
        Clip(2 * size, 4 * size, "train", "hindi", "a", "hi", "", 1.0, "k", "क"),
    ]
    plan = Plan(clips, Symbols(["<blk>", "k"], ["<blk>", "▁", "क"], {}), 7, 60.0)
    rng = np.random.default_rng(1)
    found = Counter(plan.row(rng).pieces[0].offset for _ in range(3000))
    assert found[size] / found[0] == pytest.approx(3.0, rel=0.2)
    assert found[2 * size] / found[0] == pytest.approx(4**0.7, rel=0.2)


def test_joined_rows_are_no_longer_than_what_a_network_takes() -> None:
    _, plan = many({"hindi": 1.0}, seconds=7.4)
    rng = np.random.default_rng(1)
    rows = [plan.row(rng) for _ in range(300)]
    assert max(len(row.pieces) for row in rows) == 2
    assert all(sum(piece.samples for piece in row.pieces) <= 15 * SAMPLE_RATE for row in rows)


def test_collapsing() -> None:
    assert collapse([0, 1, 1, 0, 1, 2, 2, 0]) == [1, 1, 2]
    assert text_of([1, 0, 1, 2, 1], ["<blk>", "▁", "क"]) == "क"


def test_without_a_store_or_with_an_old_one_the_error_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="prepare"):
        Store(tmp_path)
    (tmp_path / "index.tsv").write_text("offset\tsamples\n", encoding="utf-8")
    with pytest.raises(ValueError, match="--again"):
        Store(tmp_path)
