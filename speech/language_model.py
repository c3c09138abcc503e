"""The word n-gram model and the lexicon of a model folder, as beam search takes them.

The model is an ARPA file (`lm/words.arpa.gz`), which KenLM reads; the lexicon is its vocabulary, each word
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

from speech.errors import ModelInvalid
from speech.model import WORD_MARK

FILE_NAME: Final = "words.arpa.gz"
_UNKNOWN: Final = "<unk>"


class LanguageModel:
    """A loaded language model with the trie of its words for one vocabulary of tokens.

    Attributes:
        words: those that the tokens can spell; their position is their number.
        model, trie: the decoder library's own objects.
        unknown: number of the unknown word.
        separator: id of the token between words.
    """

    def __init__(self, path: Path, tokens: Sequence[str]) -> None:
        """Loads a gzipped ARPA file. Takes about half a second for 50,000 words.

        Raises:
            ImportError: the decoder library, flashlight-text, has no build for this Python or machine.
            ModelInvalid: the file is absent or no ARPA file, or the tokens are not characters.
        """
        from flashlight.lib.text.decoder import SmearingMode, Trie
        from flashlight.lib.text.decoder.kenlm import KenLM
        from flashlight.lib.text.dictionary import Dictionary

        ids = {token: index for index, token in enumerate(tokens)}
        if WORD_MARK not in ids:
            raise ModelInvalid(f"Beam search needs a model with a token {WORD_MARK!r} between words.")
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
            raise ModelInvalid(f"{path} is no language model: {error}") from error
        self.trie: Any = Trie(len(tokens), self.separator)
        start = self.model.start(True)
        for number, spelling in enumerate(spelt.values()):
            _, score = self.model.score(start, number)
            self.trie.insert([*spelling, self.separator], number, score)
        self.trie.smear(SmearingMode.MAX)


def _spellings(words: Sequence[str], ids: Mapping[str, int]) -> dict[str, list[int]]:
    """Token ids of each word that can be spelt."""
    return {
        word: [ids[character] for character in word]
        for word in words
        if all(character in ids for character in word)
    }


def read_vocabulary(path: Path) -> list[str]:
    """The words of a gzipped ARPA file in its order, without marks such as <s>, in NFC.

    Raises:
        ModelInvalid: the file cannot be read as one.
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
    """KenLM draws a progress bar on standard error and has no switch against it."""
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
