import gzip
from pathlib import Path

import pytest

from speech import ModelInvalid
from speech.decoding import LanguageModel
from speech.decoding.ngram_model import read_vocabulary
from tests.speech.language_models import UNIGRAMS, arpa, write_language_model
from tests.speech.sounds import TOKENS


def test_the_vocabulary_is_that_of_the_file(tmp_path: Path) -> None:
    assert read_vocabulary(write_language_model(tmp_path)) == list(UNIGRAMS)


def test_words_that_the_tokens_cannot_spell_are_left_out(tmp_path: Path) -> None:
    path = write_language_model(tmp_path, arpa({"नम": -1.0, "कल": -1.0}, {}))
    assert LanguageModel(path, TOKENS).words == ["नम"]
    with pytest.raises(ModelInvalid, match="no word"):
        LanguageModel(write_language_model(tmp_path, arpa({"कल": -1.0}, {})), TOKENS)


def test_loading_writes_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    LanguageModel(write_language_model(tmp_path), TOKENS)
    assert capfd.readouterr() == ("", "")


def test_a_model_whose_tokens_are_pieces_of_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelInvalid, match="between words"):
        LanguageModel(write_language_model(tmp_path), ("<blk>", "▁न", "म"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no archive",
        gzip.compress(b"no language model"),
        gzip.compress(arpa().encode())[:-20],
        gzip.compress(b"\\1-grams:\nwithout a tab\n"),
        gzip.compress(b"\\data\\\nngram 1=9\n\n\\1-grams:\n-1.0\t\xe0\xa4\xa8\n\n\\end\\\n"),
    ],
    ids=["empty", "no archive", "no language model", "cut off", "no tab", "wrong count"],
)
def test_a_broken_file_is_a_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "words.arpa.gz"
    path.write_bytes(data)
    with pytest.raises(ModelInvalid, match=r"words\.arpa\.gz"):
        LanguageModel(path, TOKENS)


def test_an_absent_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelInvalid, match="could not be read"):
        LanguageModel(tmp_path / "words.arpa.gz", TOKENS)
