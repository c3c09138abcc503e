"""A small language model over the letters of `tests.speech.sounds`."""

import gzip
from collections.abc import Mapping
from pathlib import Path

from speech.decoding import LANGUAGE_MODEL_FILE

UNIGRAMS = {"नम": -0.6, "मन": -0.9, "मत": -0.9, "सम": -1.2, "नमस्ते": -1.2}
"""Words with base-10 logarithms."""

BIGRAMS = {("नम", "मन"): -0.1, ("सम", "मत"): -0.1, ("नमस्ते", "मन"): -0.2}


def arpa(unigrams: Mapping[str, float] = UNIGRAMS, bigrams: Mapping[tuple[str, str], float] = BIGRAMS) -> str:
    words = {"<unk>": -6.0, "<s>": -99.0, "</s>": -0.5, **unigrams}
    lines = ["\\data\\", f"ngram 1={len(words)}", f"ngram 2={len(bigrams)}", "", "\\1-grams:"]
    lines += [f"{score}\t{word}\t-0.3" for word, score in words.items()]
    lines += ["", "\\2-grams:", *(f"{score}\t{' '.join(pair)}" for pair, score in bigrams.items())]
    return "\n".join([*lines, "", "\\end\\", ""])


def write_language_model(folder: Path, text: str | None = None) -> Path:
    """Write `folder`/words.arpa.gz, creating the folder if necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LANGUAGE_MODEL_FILE
    path.write_bytes(gzip.compress((text or arpa()).encode(), mtime=0))
    return path
