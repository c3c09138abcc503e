"""From Whisper's tokens and alignment to words; what is not believed."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech import ModelInvalid
from speech.recognisers.whisper import guards
from speech.recognisers.whisper.alignment import FRAME_SECONDS, LONG_WORD, aligned_words
from speech.recognisers.whisper.vocabulary import Vocabulary, read_tokens

SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|hi|>", "<|transcribe|>", "<|notimestamps|>"]


def alphabet() -> list[str]:
    """One token for each byte, by an independent rule: GPT-2 shows printable bytes as they are."""
    shown = [chr(byte) for byte in (*range(33, 127), *range(161, 173), *range(174, 256))]
    taken = {ord(character) for character in shown}
    missing = [byte for byte in range(256) if byte not in taken]
    names = {byte: chr(256 + number) for number, byte in enumerate(missing)}
    return [names.get(byte, chr(byte)) for byte in range(256)]


BYTES = alphabet()
TOKENS = [*BYTES, "Ġ" + "".join(BYTES[byte] for byte in "न".encode()), *SPECIAL]
NA = 256
VOCABULARY = Vocabulary(TOKENS, "hi")


@given(st.text(st.sampled_from("नमस्ते ड़क़é。,?a1 \n"), max_size=30))
def test_bytes_spell_any_text(text: str) -> None:
    assert VOCABULARY.text(list(text.encode())) == text


def test_words_are_split_at_spaces_and_are_nfc() -> None:
    ids = [NA, *"मस्ते \u0958लम".encode(), NA, VOCABULARY.end]
    words = VOCABULARY.words(ids)
    assert [word.text for word in words] == ["नमस्ते", "क\u093cलम", "न"]
    assert words[0].first == 0
    assert words[-1].first == len(ids) - 2
    assert words[-1].last == len(ids) - 1
    assert all(one.last <= other.first for one, other in pairwise(words))


def test_punctuation_belongs_to_the_word_before_it() -> None:
    assert [word.text for word in VOCABULARY.words(list("- नम । मन, ?".encode()))] == ["नम।", "मन,?"]


def test_a_character_that_is_cut_off_is_left_out() -> None:
    ids = list("नम".encode())[:-1]
    assert [word.text for word in VOCABULARY.words(ids)] == ["न"]
    assert VOCABULARY.text(ids) == "न"
    assert VOCABULARY.words(list("न".encode())[:2]) == []


def test_the_prompt_tells_the_language() -> None:
    names = [TOKENS[index] for index in VOCABULARY.prompt]
    assert names == ["<|startoftranscript|>", "<|hi|>", "<|transcribe|>"]
    assert Vocabulary(TOKENS, "hi-IN").prompt == VOCABULARY.prompt
    with pytest.raises(ModelInvalid, match=r"<\|mr\|>"):
        Vocabulary(TOKENS, "mr")


def test_both_files_of_converters_are_read(tmp_path: Path) -> None:
    with pytest.raises(ModelInvalid, match=r"vocabulary\.json"):
        read_tokens(tmp_path)
    (tmp_path / "vocabulary.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    assert read_tokens(tmp_path) == TOKENS
    (tmp_path / "vocabulary.json").write_text(json.dumps(TOKENS), encoding="utf-8")
    assert read_tokens(tmp_path) == TOKENS
    for content in ("{", "{}", "[1]"):
        (tmp_path / "vocabulary.json").write_text(content, encoding="utf-8")
        with pytest.raises(ModelInvalid):
            read_tokens(tmp_path)


def test_words_last_from_their_first_token_to_the_next_word() -> None:
    ids = list("न म".encode())
    path = [(index, 10 * index + step) for index in range(len(ids) + 1) for step in range(10)]
    heard = aligned_words(VOCABULARY, ids, path, [0.5, 0.5, 0.5, 1.0, 0.25, 1.0, 1.0])
    assert heard.texts == ("न", "म")
    assert heard.firsts.tolist() == [0, 40]
    assert heard.lasts.tolist() == [30, 70]
    np.testing.assert_allclose(np.exp(heard.features[:, 0]), [0.5, 0.25 ** (1 / 3)])
    assert heard.tokens.tolist() == [3, 3]


def test_a_word_does_not_have_the_pause_before_it() -> None:
    ids = list(b"a b c")
    path = [(0, 0), (1, 20), (2, 20), (3, 40), (4, 300), (5, 320)]
    heard = aligned_words(VOCABULARY, ids, [*path, (5, 321)], [1.0] * 5)
    assert heard.lasts.tolist() == [20, 40, 320]
    path = [(0, 0), (1, 200), (2, 201), (3, 220), (4, 221), (5, 240)]
    heard = aligned_words(VOCABULARY, ids, path, [1.0] * 5)
    assert heard.firsts[0] == 200 - 2 * 19
    assert heard.lasts[0] - heard.firsts[0] <= 2 * LONG_WORD / FRAME_SECONDS


@given(st.data())
def test_words_are_in_order_whatever_the_alignment_says(data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.sampled_from([*b"ab  ", NA]), max_size=20))
    frames = data.draw(st.lists(st.integers(0, 50), min_size=len(ids) + 1, max_size=len(ids) + 1))
    numbers = sorted(
        data.draw(st.lists(st.integers(0, len(ids)), min_size=len(frames), max_size=len(frames)))
    )
    path = list(zip(numbers, sorted(frames), strict=True))
    heard = aligned_words(VOCABULARY, ids, path, [0.0] * len(ids))
    assert heard.texts == tuple(VOCABULARY.text(ids).split())
    assert (heard.lasts > heard.firsts).all()
    assert (heard.firsts[1:] >= heard.lasts[:-1]).all()
    assert np.isfinite(heard.features).all()


def test_no_tokens_no_words() -> None:
    assert aligned_words(VOCABULARY, (), (), ()).texts == ()


@pytest.mark.parametrize(
    ("no_speech", "mean", "silent"), [(0.9, -1.2, True), (0.9, -0.5, False), (0.3, -2.0, False)]
)
def test_a_text_for_silence_is_not_believed(no_speech: float, mean: float, silent: bool) -> None:
    assert guards.is_silence(no_speech, mean) is silent


def test_loops_are_told_from_long_hindi_texts() -> None:
    text = (
        "भारत के राष्ट्रपति ने कहा कि देश के किसानों को उनकी उपज का सही मूल्य मिलना चाहिए और सरकार इस दिशा में लगातार "
        "काम कर रही है ताकि गाँवों में रहने वाले लोगों का जीवन आसान हो सके"
    )
    assert not guards.is_repetitive(text)
    assert not guards.is_repetitive("")
    assert not guards.is_repetitive("नहीं नहीं नहीं")
    assert guards.is_repetitive("मैं नहीं जानता " * 12)
    assert guards.is_repetitive("पुद " * 40)


def test_of_a_loop_the_first_phrase_stays() -> None:
    loop = ["वह", "घर", "गया", *["फिर", "से"] * 7, "फिर"]
    kept = guards.without_loops(loop)
    assert [text for text, stays in zip(loop, kept, strict=True) if stays] == ["वह", "घर", "गया", "फिर", "से"]
    often = ["नहीं"] * guards.REPEATS
    assert guards.without_loops(often).all()
    assert guards.without_loops([*often, "नहीं"]).sum() == 1


def test_nobody_says_more_than_fits() -> None:
    assert guards.most_tokens(0.1) < guards.most_tokens(4.0) < guards.most_tokens(30.0) == guards.MOST_TOKENS
