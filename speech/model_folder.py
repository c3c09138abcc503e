"""A model folder: model.json says what the model is, tokens.txt what its outputs mean, model.onnx is the
graph."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from speech.errors import ModelInvalid, ModelNotFound
from speech.recognisers import FAMILIES

FORMAT: Final = 1
WORD_MARK: Final = "▁"
"""U+2581, SentencePiece's space: a token that begins with it begins a word."""
SILERO, ENERGY = DETECTORS = ("silero", "energy")
FLOAT32, INT8 = PRECISIONS = ("float32", "int8")
GRAPHS: Final = {FLOAT32: "model.onnx", INT8: "model.int8.onnx"}


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A parsed and validated model folder. `load` is the way to make one.

    Attributes:
        sample_rate: hertz of the waveforms the graph takes.
        frame_stride: seconds between two output frames.
        max_segment_seconds: longest stretch of audio to give the graph at once.
        min_samples: shortest waveform the graph takes.
        tokens: text of each output of the graph, by id.
        decoding: what model.json says of decoding, see `speech.decoding.beam.BeamSettings`; its entry
            "decoder" names the default decoder.
        detector: what tells where nobody speaks: "silero" by default; with "energy" only silence is left out,
            for a model that gives no words for music and noise by itself.
        precision: of the graph that transcribes unless a caller names another, see `graph`.
        training, evaluation, files: as model.json has them; `files` maps names to sha256 hex digests.
    """

    path: Path
    name: str
    family: str
    language: str
    sample_rate: int
    frame_stride: float
    blank_id: int
    max_segment_seconds: float
    min_samples: int
    licence: str
    description: str
    decoding: Mapping[str, Any]
    training: Mapping[str, Any]
    evaluation: tuple[Mapping[str, Any], ...]
    files: Mapping[str, str]
    tokens: tuple[str, ...]
    detector: str = SILERO
    precision: str = FLOAT32

    @property
    def space_id(self) -> int | None:
        """The token that is the space between words and nothing else; None where there is none."""
        return self.tokens.index(WORD_MARK) if WORD_MARK in self.tokens else None

    @classmethod
    def load(cls, path: Path) -> "ModelFolder":
        """Reads model.json and tokens.txt; keys it does not know are left alone.

        Raises:
            ModelNotFound: there is no model.json in the folder.
            ModelInvalid: the folder breaks the format; the message says where.
        """
        path = Path(path)
        try:
            text = (path / "model.json").read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            raise ModelNotFound(f"There is no model at {path}: it has no model.json.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ModelInvalid(f"{path}/model.json could not be read: {error}.") from error
        try:
            entries = json.loads(text)
        except ValueError as error:
            raise ModelInvalid(f"{path}/model.json is not JSON: {error}.") from error
        if not isinstance(entries, dict):
            raise ModelInvalid(f"{path}/model.json must hold an object.")
        fields = _Fields(path, entries)
        if fields.integer("format", low=1) != FORMAT:
            raise ModelInvalid(
                f"{path}/model.json has format {entries['format']}, this version reads {FORMAT}."
            )
        tokens = read_tokens(path / "tokens.txt")
        model = cls(
            path=path,
            name=fields.string("name"),
            family=fields.string("family"),
            language=fields.string("language"),
            sample_rate=fields.integer("sample_rate", low=1_000, high=192_000),
            frame_stride=fields.number("frame_stride", low=0.001, high=1.0),
            blank_id=fields.integer("blank_id", low=0, high=len(tokens) - 1),
            max_segment_seconds=fields.number("max_segment_seconds", low=1.0, high=600.0),
            min_samples=fields.integer("min_samples", low=1, high=1_000_000),
            licence=fields.string("licence", default=""),
            description=fields.string("description", default=""),
            decoding=fields.table("decoding"),
            training=fields.table("training"),
            evaluation=fields.tables("evaluation"),
            files=fields.hashes("files"),
            tokens=tokens,
            detector=fields.string("detector", default=SILERO),
            precision=fields.string("precision", default=FLOAT32),
        )
        if model.detector not in DETECTORS:
            raise ModelInvalid(
                f"{path}/model.json names the detector {model.detector!r}; there are {', '.join(DETECTORS)}."
            )
        if model.precision not in PRECISIONS:
            raise ModelInvalid(
                f"{path}/model.json names the precision {model.precision!r}; "
                f"there are {', '.join(PRECISIONS)}."
            )
        if model.family not in FAMILIES:
            known = ", ".join(map(repr, FAMILIES))
            raise ModelInvalid(f"{path} is of the family {model.family!r}; this version runs {known}.")
        return model

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
                with (self.path / name).open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise ModelInvalid(
                    f"The model {self.name} lists {name}, which cannot be read: {error}."
                ) from error
            if found != expected.lower():
                raise ModelInvalid(
                    f"{name} of the model {self.name} is not the file that model.json describes."
                )


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


class _Fields:
    """Typed access to the entries of model.json that turns each mismatch into a sentence."""

    def __init__(self, path: Path, entries: Mapping[str, Any]) -> None:
        self._path, self._entries = path, entries

    def _wrong(self, key: str, wanted: str) -> ModelInvalid:
        found = f"not {self._entries[key]!r}" if key in self._entries else "and is missing"
        return ModelInvalid(f"{self._path}/model.json: {key!r} must be {wanted}, {found}.")

    def string(self, key: str, default: str | None = None) -> str:
        value = self._entries.get(key, default)
        if not isinstance(value, str) or (default is None and not value):
            raise self._wrong(key, "a text")
        return value

    def number(self, key: str, low: float, high: float) -> float:
        value = self._entries.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self._wrong(key, "a number")
        if not low <= value <= high:
            raise self._wrong(key, f"in {low:g}..{high:g}")
        return float(value)

    def integer(self, key: str, low: int, high: int | None = None) -> int:
        value = self._entries.get(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, "a whole number")
        if value < low or (high is not None and value > high):
            raise self._wrong(key, f"at least {low}" if high is None else f"in {low}..{high}")
        return value

    def table(self, key: str) -> Mapping[str, Any]:
        value = self._entries.get(key, {})
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return value

    def tables(self, key: str) -> tuple[Mapping[str, Any], ...]:
        value = self._entries.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self._wrong(key, "a list of objects")
        return tuple(value)

    def hashes(self, key: str) -> Mapping[str, str]:
        value = self.table(key)
        for name, digest in value.items():
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not isinstance(digest, str) or len(digest) != 64:
                raise self._wrong(key, "file names inside the folder, each with its sha256")
        return value
