"""What the recogniser does with a model's texts, with a stand-in for CTranslate2's model."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from speech.recognisers.whisper import guards
from speech.recognisers.whisper.recogniser import WhisperRecogniser
from speech.recognisers.whisper.vocabulary import Vocabulary

RATE = 16_000
SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|hi|>", "<|transcribe|>", "<|notimestamps|>"]
TOKENS = [*(f"Ġ{number}" for number in range(64)), *SPECIAL]
"""Each half of a second of a waveform says its number."""


class StandIn:
    """Hears the numbers.

    Attributes:
        loops: whether it repeats the first number until it is told not to.
        no_speech: probability of no speech.
    """

    def __init__(self, loops: bool = False, no_speech: float = 0.0, score: float = -0.1) -> None:
        self.loops, self.no_speech, self.score = loops, no_speech, score
        self.runs: list[float] = []

    def encode(self, features: np.ndarray) -> np.ndarray:
        return features

    def generate(self, encoded: np.ndarray, prompts: Any, **options: Any) -> list[Any]:
        found = []
        for begin, seconds in encoded[:, 0].tolist():
            self.runs.append(seconds)
            numbers = list(range(round(2 * begin), round(2 * (begin + seconds))))
            if self.loops and not options["no_repeat_ngram_size"]:
                numbers = numbers[:1] * 200
            found.append(
                SimpleNamespace(sequences_ids=[numbers], scores=[self.score], no_speech_prob=self.no_speech)
            )
        return found

    def align(
        self, encoded: np.ndarray, prompt: Any, texts: Sequence[Sequence[int]], frames: Sequence[int]
    ) -> list[Any]:
        return [
            SimpleNamespace(
                alignments=[(index, 25 * index) for index in range(len(text) + 1)],
                text_token_probs=[0.9] * len(text),
            )
            for text in texts
        ]


def recogniser(model: StandIn) -> WhisperRecogniser:
    made = WhisperRecogniser.__new__(WhisperRecogniser)
    made._model = model
    made._vocabulary = Vocabulary(TOKENS, "hi")
    made._beams = 1
    made._on_gpu = False
    made._as_storage = lambda features: features
    made._log_mel = lambda waveform: np.array([[waveform[0], len(waveform) / RATE]])  # type: ignore[assignment]
    return made


def speech(seconds: float) -> np.ndarray:
    """A waveform whose samples are their times."""
    return (np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def test_what_does_not_fit_is_recognised_from_the_last_word_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "most_tokens", lambda seconds: 9)
    model = StandIn()
    (found,) = recogniser(model).emissions([speech(10.0)])
    assert found.heard.texts == tuple(map(str, range(20)))
    assert found.heard.firsts.tolist() == [25 * number for number in range(20)]
    assert model.runs == pytest.approx([10.0, 6.0, 2.0])
    assert len(found) == 500


def test_a_loop_is_tried_again_without_repetitions() -> None:
    model = StandIn(loops=True)
    (found,) = recogniser(model).emissions([speech(3.0)])
    assert found.heard.texts == tuple("012345")
    assert len(model.runs) == 2


def test_a_loop_that_stays_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "NO_REPEAT", 0)
    monkeypatch.setattr(guards, "is_repetitive", lambda text: False)
    model = StandIn(loops=True)
    (found,) = recogniser(model).emissions([speech(8.0)])
    assert found.heard.texts == ("0",)
    assert len(model.runs) == 1


def test_texts_for_silence_are_dropped_unless_they_are_sure() -> None:
    assert recogniser(StandIn(no_speech=0.9, score=-2.0)).emissions([speech(3.0)])[0].heard.texts == ()
    assert recogniser(StandIn(no_speech=0.9)).emissions([speech(3.0)])[0].heard.texts == tuple("012345")


def test_each_of_a_batch_has_its_own_words() -> None:
    waveforms = [speech(3.0), speech(0.1), speech(2.0)[RATE:]]
    found = recogniser(StandIn()).emissions(waveforms)
    assert [one.heard.texts for one in found] == [tuple("012345"), (), ("2", "3")]
    assert [len(one) for one in found] == [150, 5, 50]
    assert recogniser(StandIn()).emissions([]) == []
