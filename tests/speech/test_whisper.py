"""Whisper's parts without a model: words of tokens, guards, features, and seams between windows of words."""

from collections.abc import Sequence

import numpy as np
import pytest

from speech.decoding import FEATURES, Heard, WordEmission
from speech.errors import ModelInvalid
from speech.recognisers.whisper import guards
from speech.recognisers.whisper.alignment import aligned_words
from speech.recognisers.whisper.log_mel import FRAMES, HOP, ZERO, LogMel
from speech.recognisers.whisper.vocabulary import _BYTES, Vocabulary
from speech.recognisers.word_layout import WordLayout
from speech.segments import Joiner
from tests.speech.sounds import RATE, speak

SPECIAL = ("<|endoftext|>", "<|startoftranscript|>", "<|hi|>", "<|transcribe|>", "<|notimestamps|>")
CHARACTERS = {byte: character for character, byte in _BYTES.items()}
STRIDE = 0.02


def pieces(*parts: bytes) -> tuple[Vocabulary, list[int]]:
    """A vocabulary of these byte sequences, and the ids that spell them in order."""
    tokens = ["".join(CHARACTERS[byte] for byte in part) for part in parts]
    return Vocabulary([*tokens, *SPECIAL], "hi-IN"), list(range(len(parts)))


def words(*timed: tuple[str, int, int]) -> Heard:
    texts, firsts, lasts = zip(*timed, strict=True) if timed else ((), (), ())
    features = np.zeros((len(texts), len(FEATURES)))
    return Heard(tuple(texts), np.array(firsts, np.intp), np.array(lasts, np.intp), features)


def test_a_character_in_several_tokens_is_one_word_with_its_neighbours() -> None:
    ka, space, nukta = "क".encode(), b" ", "\u093c".encode()
    vocabulary, ids = pieces(space + "मन".encode(), space + ka[:1], ka[1:2], ka[2:], nukta, "।".encode())
    found = vocabulary.words(ids)
    assert [(word.text, word.first, word.last) for word in found] == [("मन", 0, 1), ("क़।", 1, 6)]
    assert vocabulary.text(ids[:2]) == " मन "


def test_a_mark_alone_joins_the_word_before() -> None:
    vocabulary, ids = pieces(" मन".encode(), " ।".encode(), " तन".encode())
    assert [word.text for word in vocabulary.words(ids)] == ["मन।", "तन"]


def test_a_vocabulary_without_the_language_is_refused() -> None:
    with pytest.raises(ModelInvalid, match=r"<\|mr\|>"):
        Vocabulary(SPECIAL, "mr")


def test_words_get_times_from_the_path_and_confidences_from_the_tokens() -> None:
    vocabulary, ids = pieces(" मन".encode(), " तन".encode())
    path = [(0, 5), (0, 6), (1, 20), (1, 21), (2, 40)]
    heard = aligned_words(vocabulary, ids, path, [0.5, 0.25])
    assert heard.texts == ("मन", "तन")
    assert list(zip(heard.firsts, heard.lasts, strict=True)) == [(5, 20), (20, 40)]
    np.testing.assert_allclose(np.exp(heard.features[:, 0]), [0.5, 0.25])


def test_of_no_tokens_there_are_no_words() -> None:
    vocabulary, _ = pieces(b" a")
    assert aligned_words(vocabulary, (), (), ()).texts == ()


@pytest.mark.parametrize("length", [1, 3, guards.PHRASE])
def test_a_loop_is_written_once(length: int) -> None:
    phrase = [f"शब्द{number}" for number in range(length)]
    kept = guards.without_loops(["एक", *phrase * (guards.REPEATS + 2), "दो"])
    assert kept.sum() == length + 2
    assert kept[0]
    assert kept[-1]


def test_what_people_repeat_stays() -> None:
    assert guards.without_loops(["हाँ"] * guards.REPEATS).all()


def test_a_loop_compresses_and_hindi_does_not() -> None:
    hindi = "मैं मोहन के साथ गेंद खेलने जा रहा हूँ और फिर हम सब घर वापस आएँगे क्योंकि शाम को बारिश हो सकती है"
    assert not guards.is_repetitive(hindi)
    assert guards.is_repetitive("पानी दो " * 20)


def test_only_doubtful_texts_without_speech_are_silence() -> None:
    assert guards.is_silence(0.9, -1.5)
    assert not guards.is_silence(0.9, -0.5)
    assert not guards.is_silence(0.3, -1.5)


@pytest.mark.parametrize("seconds", [0.005, 0.1, 1.0, 7.31, 29.995, 30.0, 34.0])
def test_features_are_those_of_faster_whisper(seconds: float) -> None:
    extractor = pytest.importorskip("faster_whisper.feature_extractor").FeatureExtractor()
    dice = np.random.default_rng(3)
    waveform = dice.normal(0.0, 0.1, round(seconds * RATE)).astype(np.float32)
    waveform *= np.linspace(0.01, 1.0, len(waveform), dtype=np.float32)
    padded = np.pad(waveform[: 30 * RATE], (0, max(30 * RATE - len(waveform), 0)))
    expected = extractor(padded, padding=0)[:, :FRAMES]
    np.testing.assert_allclose(LogMel(80)(waveform), expected, atol=1e-4)


def test_zeros_stand_for_the_padding() -> None:
    waveform = speak("मन")
    log_mel = LogMel(80, ZERO)(waveform)
    count = len(waveform) // HOP
    assert not log_mel[:, count:].any()
    assert log_mel[:, :count].any()


def joined(*windows: Sequence[tuple[str, int, int]]) -> list[str]:
    """Join windows of 100 frames, each 60 frames after the last."""
    joiner = Joiner(WordLayout(STRIDE, RATE), STRIDE)
    found: list[str] = []
    for number, timed in enumerate(windows):
        begin = number * 60 * STRIDE
        follows, goes_on = number > 0, number < len(windows) - 1
        emission = WordEmission(words(*timed), 100)
        for piece in joiner.push(emission, begin, begin + 100 * STRIDE, follows, goes_on):
            found += piece.emission.heard.texts
    return found


def test_windows_are_joined_at_the_word_that_both_have() -> None:
    left = (("एक", 5, 20), ("दो", 40, 55), ("तीन", 70, 85), ("चा", 92, 100))
    right = (("न", 0, 5), ("तीन,", 14, 29), ("चार", 34, 45), ("पाँच", 70, 90))
    assert joined(left, right) == ["एक", "दो", "तीन", "चार", "पाँच"]


def test_windows_that_disagree_are_joined_between_words() -> None:
    left = (("एक", 5, 20), ("दो", 62, 74))
    right = (("छह", 22, 35), ("सात", 60, 80))
    assert joined(left, right) == ["एक", "दो", "छह", "सात"]


def test_windows_without_words() -> None:
    assert joined((), (("एक", 50, 60),), ()) == ["एक"]


def test_a_slice_has_the_words_whose_middle_it_covers() -> None:
    emission = WordEmission(words(("एक", 0, 10), ("दो", 20, 40), ("तीन", 90, 120)), 100)
    for cut in range(101):
        parts = emission[:cut].heard.texts + emission[cut:].heard.texts
        assert parts == ("एक", "दो", "तीन")
    assert emission[25:].heard.firsts[0] == 0
