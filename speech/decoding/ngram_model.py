"""The word n-gram model and the lexicon of a model folder, loaded for beam search.

The model is an ARPA file (`lm/words.arpa.gz`) that KenLM reads. The lexicon is its vocabulary, each word
spelt with the acoustic model's tokens.

Sources: K. Heafield, "KenLM: Faster and Smaller Language Model Queries" (WMT 2011); J. Kahn et al.,
"Flashlight: Enabling Innovation in Tools for Machine Learning" (ICML 2022).
"""

import contextlib
import gzip
import os
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from speech.errors import ModelInvalid
from speech.model_folder import WORD_MARK

LANGUAGE_MODEL_FILE: Final = "words.arpa.gz"
_UNKNOWN: Final = "<unk>"


class LanguageModel:
    """A language model, and the trie of its words over the tokens of an acoustic model.

    Attributes:
        words: the words that the tokens can spell. A word's number is its index.
        model, trie: the decoder library's objects.
        vocabulary: number of tokens.
        unknown: number of the unknown word.
        separator: id of the token between words.
        median_score: median of the words' unigram scores (base-10 logarithm).
    """

    def __init__(self, path: Path, tokens: Sequence[str]) -> None:
        """Load a gzipped ARPA file. Takes about half a second for 50,000 words.

        Raises:
            ImportError: the decoder library, flashlight-text, has no build for this Python or platform.
            ModelInvalid: the file is missing or not in ARPA format, or the tokens are not characters.
        """
        from flashlight.lib.text.decoder import SmearingMode, Trie
        from flashlight.lib.text.decoder.kenlm import KenLM
        from flashlight.lib.text.dictionary import Dictionary

        self._ids = ids = {token: index for index, token in enumerate(tokens)}
        if WORD_MARK not in ids:
            raise ModelInvalid(f"Beam search needs a model with a token {WORD_MARK!r} between words.")
        self.vocabulary = len(tokens)
        spelt = _spellings(read_vocabulary(path), ids)
        if not spelt:
            raise ModelInvalid(f"The model's tokens spell no word of {path}.")
        self.words: list[str] = list(spelt)
        self.separator = ids[WORD_MARK]
        dictionary = Dictionary()
        for word in self.words:
            dictionary.add_entry(word)
        dictionary.add_entry(_UNKNOWN)
        self.unknown: int = dictionary.get_index(_UNKNOWN)
        try:
            with _quiet_stderr():
                self.model: Any = KenLM(str(path), dictionary)
        except RuntimeError as error:
            raise ModelInvalid(f"{path} is not a language model: {error}") from error
        self.trie: Any = Trie(len(tokens), self.separator)
        self._numbers = {word: number for number, word in enumerate(self.words)}
        self._no_context = self.model.start(True)
        scores = [self.unigram(number) for number in range(len(self.words))]
        self.median_score = float(np.median(scores))
        for number, spelling in enumerate(spelt.values()):
            self.trie.insert([*spelling, self.separator], number, scores[number])
        self.trie.smear(SmearingMode.MAX)

    def number(self, word: str) -> int | None:
        """Return the number of a word, or None if it is not in the lexicon."""
        return self._numbers.get(word)

    def unigram(self, number: int) -> float:
        """Return the base-10 log of a word's unigram probability."""
        _, score = self.model.score(self._no_context, number)
        return float(score)

    def scores(self, numbers: Sequence[int]) -> npt.NDArray[np.float64]:
        """Score a sentence: the base-10 log of each word's probability given the preceding ones, (words,).

        The unknown word gets the median score, because its probability is that of all unknown words together.
        """
        state, scores = self.model.start(False), []
        for number in numbers:
            state, score = self.model.score(state, number)
            scores.append(self.median_score if number == self.unknown else score)
        return np.array(scores, np.float64)

    def spelling(self, word: str) -> list[int] | None:
        """Return the token ids of any word, or None if one of its characters has no token."""
        return _spellings([word], self._ids).get(word)


def _spellings(words: Sequence[str], ids: Mapping[str, int]) -> dict[str, list[int]]:
    """Map each word that can be spelt to its token ids."""
    return {
        word: [ids[character] for character in word]
        for word in words
        if all(character in ids for character in word)
    }


def read_vocabulary(path: Path) -> list[str]:
    """Read the words of a gzipped ARPA file in file order. Skips marks such as <s> and words not in NFC.

    Raises:
        ModelInvalid: the file is not a readable ARPA file.
    """
    words: list[str] = []
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            within = False
            for line in lines:
                if within and line.startswith("\\"):
                    break
                if within and line.strip():
                    words.append(line.split("\t")[1].strip())
                within = within or line.strip() == "\\1-grams:"
    except (OSError, EOFError, UnicodeDecodeError, IndexError) as error:
        raise ModelInvalid(f"{path} could not be read as a language model: {error}.") from error
    return [word for word in words if not word.startswith("<") and unicodedata.is_normalized("NFC", word)]


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Silence standard error. KenLM prints a progress bar that cannot be turned off."""
    if sys.stderr is not None:
        sys.stderr.flush()
    kept = os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silence, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silence)
