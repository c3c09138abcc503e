"""A toy model that recognises amplitudes as letters, recordings for it, and hand-made WAV files."""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import soundfile
from onnx import TensorProto, helper

RATE = 16_000
FRAME = 640
TOKENS = ("<blk>", "▁", "न", "म", "स", "्", "त", "े")
"""The sound of token i is a square wave of amplitude i / 10."""

Samples = npt.NDArray[np.float32]


def build_graph() -> onnx.ModelProto:
    """The toy network: log-probabilities by how near each 40 ms's peak is to each token's amplitude."""
    constants = {
        "levels": np.arange(len(TOKENS), dtype=np.float32)[None, None] / 10,
        "sharpness": np.array(-1000.0, np.float32),
        "frame": np.array(FRAME, np.int64),
        "channel": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Abs", ["waveform"], ["absolute"]),
        helper.make_node("Unsqueeze", ["absolute", "channel"], ["one_channel"]),
        helper.make_node("MaxPool", ["one_channel"], ["loudest"], kernel_shape=[FRAME], strides=[FRAME]),
        helper.make_node("Transpose", ["loudest"], ["column"], perm=[0, 2, 1]),
        helper.make_node("Sub", ["column", "levels"], ["distance"]),
        helper.make_node("Mul", ["distance", "distance"], ["squared"]),
        helper.make_node("Mul", ["squared", "sharpness"], ["logits"]),
        helper.make_node("LogSoftmax", ["logits"], ["log_probs"], axis=-1),
        helper.make_node("Div", ["lengths", "frame"], ["frame_lengths"]),
    ]
    graph = helper.make_graph(
        nodes,
        "loudness",
        [
            helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"]),
            helper.make_tensor_value_info("lengths", TensorProto.INT64, ["batch"]),
        ],
        [
            helper.make_tensor_value_info("log_probs", TensorProto.FLOAT, ["batch", "frames", len(TOKENS)]),
            helper.make_tensor_value_info("frame_lengths", TensorProto.INT64, ["batch"]),
        ],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def write_model(folder: Path, **changes: object) -> Path:
    """Write a valid model folder, with changes to model.json (None removes a key)."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(build_graph(), folder / "model.onnx")
    lines = "".join(f"{token} {index}\n" for index, token in enumerate(TOKENS))
    (folder / "tokens.txt").write_text(lines, encoding="utf-8")
    entries: dict[str, object] = {
        "format": 1,
        "name": "loudness",
        "family": "ctc",
        "language": "hi",
        "sample_rate": RATE,
        "frame_stride": FRAME / RATE,
        "blank_id": 0,
        "max_segment_seconds": 8.0,
        "min_samples": FRAME,
        "detector": "energy",
        "licence": "CC0-1.0",
        "description": "Tells amplitudes apart.",
        "training": {"data": [], "parameters": 0},
        "evaluation": [],
        "files": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in ("model.onnx", "tokens.txt")
        },
        "a key of a later version": 1,
    }
    entries |= changes
    entries = {key: value for key, value in entries.items() if value is not None}
    (folder / "model.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder


def speak(text: str) -> Samples:
    """Make audio that the toy model recognises as `text`: per token 80 ms of sound and 80 ms of silence."""
    parts: list[Samples] = []
    for character in text.replace(" ", "▁"):
        level = TOKENS.index(character) / 10
        parts += [
            np.resize(np.array([level, -level], np.float32), 2 * FRAME),
            np.zeros(2 * FRAME, np.float32),
        ]
    return np.concatenate(parts)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)


def write_wav(path: Path, samples: Samples, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, rate, format="WAV", subtype=subtype)
    return path


def wav_bytes(
    data: bytes,
    *,
    channels: int = 1,
    rate: int = RATE,
    bits: int = 16,
    encoding: int = 1,
    data_length: int | None = None,
) -> bytes:
    """Make a WAV file whose header may lie. Encoding 1 is integer, 3 is floating point."""
    block = channels * bits // 8
    length = len(data) if data_length is None else data_length
    fields = struct.pack(
        "<IHHIIHH", 16, encoding, channels & 0xFFFF, rate, (rate * block) & 0xFFFFFFFF, block & 0xFFFF, bits
    )
    riff = struct.pack("<I", (36 + length) & 0xFFFFFFFF)
    return b"RIFF" + riff + b"WAVEfmt " + fields + b"data" + struct.pack("<I", length & 0xFFFFFFFF) + data
