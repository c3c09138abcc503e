import itertools
import math
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelkit.decoding.alignment import align

VOCABULARY = 4
BLANK = 1


def noise(frames: int, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0.0, 2.0, (frames, VOCABULARY))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def spelt(path: tuple[int, ...]) -> list[int]:
    return [token for token, _ in groupby(path) if token != BLANK]


def score(path: object, log_probs: np.ndarray) -> float:
    return float(log_probs[np.arange(len(log_probs)), np.array(path)].sum())


tokens = st.lists(st.sampled_from([0, 2, 3]), max_size=3)


@settings(max_examples=150, deadline=None)
@given(tokens=tokens, frames=st.integers(0, 6), seed=st.integers(0, 1 << 30))
def test_it_is_the_best_of_all_paths_that_spell_the_tokens(tokens: list[int], frames: int, seed: int) -> None:
    log_probs = noise(frames, seed)
    every = [path for path in itertools.product(range(VOCABULARY), repeat=frames) if spelt(path) == tokens]
    found = align(log_probs, tokens, BLANK)
    if not every or not frames:
        assert found is None
        return
    assert found is not None
    assert spelt(tuple(found.tolist())) == tokens
    assert score(found, log_probs) == pytest.approx(max(score(path, log_probs) for path in every), abs=1e-4)


def test_no_path_is_short_enough() -> None:
    assert align(noise(2, 0), [2, 2], BLANK) is None
    assert align(noise(3, 0), [2, 2], BLANK) is not None
    assert align(noise(0, 0), [], BLANK) is None
    assert (align(noise(4, 0), [], BLANK) == BLANK).all()


def test_what_the_model_rules_out_is_aligned_where_it_must_be() -> None:
    log_probs = np.full((5, VOCABULARY), math.log(1e-9), np.float32)
    log_probs[:, BLANK] = 0.0
    log_probs[3, 2] = math.log(1e-3)
    assert align(log_probs, [2], BLANK).tolist() == [BLANK, BLANK, BLANK, 2, BLANK]  # type: ignore[union-attr]


def test_a_long_text() -> None:
    path = np.random.default_rng(0).choice([0, 2, 3], 300).repeat(3)
    path[2::3] = BLANK
    log_probs = np.full((900, VOCABULARY), math.log(0.02), np.float32)
    log_probs[np.arange(900), path] = math.log(0.94)
    found = align(log_probs, path[::3].tolist(), BLANK)
    assert (found == path).all()
