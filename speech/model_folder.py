"""Read and check a model folder: model.json (the card), tokens.txt (meaning of the outputs), the weights."""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from shrutlekh_contract.model_card import (
    CTC,
    FILE_NAME,
    FLOAT16,
    FLOAT32,
    INT8,
    PRECISIONS,
    ModelCard,
    ModelCardInvalid,
)

from speech.errors import ModelInvalid, ModelNotFound
from speech.recognisers import FAMILIES

WORD_MARK: Final = "▁"
"""U+2581, SentencePiece's space: a token that begins with it begins a word."""

GRAPHS: Final = {FLOAT32: "model.onnx", INT8: "model.int8.onnx", FLOAT16: "model.float16.onnx"}
"""Graphs of a model of the family "ctc", by precision."""

CTRANSLATE2_WEIGHTS: Final = "model.bin"
"""Weights of a model of the family "whisper", for all precisions."""

VERSION_DIGITS: Final = 12


class ModelFolder(ModelCard):
    """A validated model folder: its card, path and tokens. Made by `load`.

    Attributes:
        tokens: text of each output of the graph, by id. Empty unless the family is "ctc".
        version: the first `VERSION_DIGITS` hex digits of the SHA-256 of model.json, which names the digests
            of all other files.
    """

    path: Path
    version: str
    tokens: tuple[str, ...]

    @property
    def space_id(self) -> int | None:
        """Id of the token that only separates words; None if the model has none."""
        return self.tokens.index(WORD_MARK) if WORD_MARK in self.tokens else None

    @classmethod
    def load(cls, path: Path) -> "ModelFolder":
        """Read model.json and tokens.txt. Unknown keys are ignored.

        Raises:
            ModelNotFound: there is no model.json in the folder.
            ModelInvalid: the folder breaks the format; the message says where.
        """
        path = Path(path)
        try:
            card = ModelCard.read(path)
        except (FileNotFoundError, NotADirectoryError):
            raise ModelNotFound(f"There is no model at {path}: it has no {FILE_NAME}.") from None
        except ModelCardInvalid as error:
            raise ModelInvalid(str(error)) from error
        if card.family not in FAMILIES:
            known = ", ".join(map(repr, FAMILIES))
            raise ModelInvalid(f"{path} is of the family {card.family!r}; this version runs {known}.")
        tokens = read_tokens(path / "tokens.txt") if card.family == CTC else ()
        if tokens and card.blank_id >= len(tokens):
            raise ModelInvalid(
                f"{path}/{FILE_NAME}: 'blank_id' must be in 0..{len(tokens) - 1}, not {card.blank_id}."
            )
        found = {"path": path, "version": sha256(path / FILE_NAME)[:VERSION_DIGITS], "tokens": tokens}
        return cls.model_validate({**dict(card), **found})

    def weights(self, precision: str | None = None) -> Path:
        """Return the path of the weights of a precision, by default the one in model.json.

        Raises:
            ModelInvalid: the folder has no such weights, or the precision is unknown.
        """
        if self.family == CTC:
            return self.graph(precision)
        return self._existing(CTRANSLATE2_WEIGHTS)

    def graph(self, precision: str | None = None) -> Path:
        """Return the path of the graph of a precision, by default the one in model.json.

        Raises:
            ModelInvalid: the folder has no such graph, or the precision is unknown.
        """
        if self.family != CTC:
            raise ModelInvalid(f"The model {self.name} is of the family {self.family!r}, which has no graph.")
        name = GRAPHS.get(precision or self.precision)
        if name is None:
            raise ModelInvalid(f"There is no precision {precision!r}; there are {', '.join(PRECISIONS)}.")
        return self._existing(name)

    def has_graph(self, precision: str) -> bool:
        """Return whether the folder has the graph of a precision."""
        return (self.path / GRAPHS[precision]).is_file()

    def _existing(self, name: str) -> Path:
        path = self.path / name
        if not path.is_file():
            raise ModelInvalid(f"The model {self.name} has no {name}.")
        return path

    def optimised(self, precision: str | None = None) -> Path:
        """Return where `modelkit optimise` puts its form of the graph of a precision. It need not exist.

        The name changes with the graph's digest in model.json and with ONNX Runtime's version, so a form that
        does not fit is never found.

        Raises:
            ModelInvalid: see `graph`.
        """
        graph = self.graph(precision)
        digest = self.files.get(graph.name, "")[:16].lower()
        return graph.with_name(f".{graph.stem}-{digest}-{onnxruntime_version()}.onnx")

    @property
    def loaded_bytes(self) -> int:
        """Bytes of the files that an engine reads when it loads the model.

        These are all files of model.json but notes, graphs of other precisions, and the language model,
        which is read when a recording wants it.
        """
        unused = {name for precision, name in GRAPHS.items() if precision != self.precision}
        paths = [self.path / name for name in self.files if name not in unused and not name.startswith("lm/")]
        return sum(path.stat().st_size for path in paths if path.is_file())

    def verify_hashes(self) -> None:
        """Compare every file that model.json lists with its sha256.

        Raises:
            ModelInvalid: a file is missing or differs from what model.json describes.
        """
        for name, expected in self.files.items():
            try:
                found = sha256(self.path / name)
            except OSError as error:
                raise ModelInvalid(
                    f"The model {self.name} lists {name}, which cannot be read: {error}."
                ) from error
            if found != expected.lower():
                raise ModelInvalid(
                    f"{name} of the model {self.name} is not the file that model.json describes."
                )


def sha256(path: Path) -> str:
    """Return the hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_tokens(path: Path) -> tuple[str, ...]:
    """Read tokens by id from lines `token id`, the format of sherpa-onnx and onnx-asr.

    Ids are 0..n-1 in any order.

    Raises:
        ModelInvalid: the file is missing, or an id is missing, duplicated or not a number.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelInvalid(f"{path} could not be read: {error}.") from error
    tokens: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        line = line.removesuffix("\r")
        if not line.strip():
            continue
        token, separator, index = line.rpartition(" ")
        if not separator or not index.isdecimal() or int(index) in tokens:
            raise ModelInvalid(f"{path} line {number} is not a token, a space and a unique id.")
        tokens[int(index)] = token
    if not tokens or max(tokens) != len(tokens) - 1:
        raise ModelInvalid(f"{path} must number its {len(tokens)} tokens from 0 without a gap.")
    return tuple(tokens[index] for index in range(len(tokens)))


def onnxruntime_version() -> str:
    """Return the version of ONNX Runtime, which is installed under one of two names, without importing it."""
    try:
        return version("onnxruntime")
    except PackageNotFoundError:
        return version("onnxruntime-gpu")
