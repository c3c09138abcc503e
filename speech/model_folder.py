"""A model folder: model.json says what the model is, tokens.txt what its outputs mean, model.onnx is the
graph."""

import hashlib
from pathlib import Path
from typing import Final

from shrutlekh_contract.model_card import FILE_NAME, FLOAT32, INT8, PRECISIONS, ModelCard, ModelCardInvalid

from speech.errors import ModelInvalid, ModelNotFound
from speech.recognisers import FAMILIES

WORD_MARK: Final = "▁"
"""U+2581, SentencePiece's space: a token that begins with it begins a word."""
GRAPHS: Final = {FLOAT32: "model.onnx", INT8: "model.int8.onnx"}


class ModelFolder(ModelCard):
    """A validated model folder: its card with its path and its tokens. `load` is the way to make one.

    Attributes:
        tokens: text of each output of the graph, by id.
    """

    path: Path
    tokens: tuple[str, ...]

    @property
    def space_id(self) -> int | None:
        """The token that is the space between words and nothing else; None where there is none."""
        return self.tokens.index(WORD_MARK) if WORD_MARK in self.tokens else None

    @classmethod
    def load(cls, path: Path) -> "ModelFolder":
        """Read model.json and tokens.txt; unknown keys are tolerated.

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
        tokens = read_tokens(path / "tokens.txt")
        if card.blank_id >= len(tokens):
            raise ModelInvalid(
                f"{path}/{FILE_NAME}: 'blank_id' must be in 0..{len(tokens) - 1}, not {card.blank_id}."
            )
        if card.family not in FAMILIES:
            known = ", ".join(map(repr, FAMILIES))
            raise ModelInvalid(f"{path} is of the family {card.family!r}; this version runs {known}.")
        return cls.model_validate({**dict(card), "path": path, "tokens": tokens})

    def graph(self, precision: str | None = None) -> Path:
        """Path of the graph: model.onnx for "float32", model.int8.onnx for "int8"; else as model.json says.

        Raises:
            ModelInvalid: the folder has no such graph, or there is no such precision.
        """
        name = GRAPHS.get(precision or self.precision)
        if name is None:
            raise ModelInvalid(f"There is no precision {precision!r}; there are {', '.join(PRECISIONS)}.")
        path = self.path / name
        if not path.is_file():
            raise ModelInvalid(f"The model {self.name} has no {path.name}.")
        return path

    def verify_hashes(self) -> None:
        """Compares every file that model.json lists with its sha256.

        Raises:
            ModelInvalid: a file is absent or another one than model.json describes.
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
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_tokens(path: Path) -> tuple[str, ...]:
    """Tokens by id from lines `token id`, as sherpa-onnx and onnx-asr write them; ids are 0..n-1 in any
    order.

    Raises:
        ModelInvalid: the file is absent, or an id is missing, doubled or no number.
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
            raise ModelInvalid(f"{path} line {number} is not a token, a space and an id of its own.")
        tokens[int(index)] = token
    if not tokens or max(tokens) != len(tokens) - 1:
        raise ModelInvalid(f"{path} must number its {len(tokens)} tokens from 0 without a gap.")
    return tuple(tokens[index] for index in range(len(tokens)))
