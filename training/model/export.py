"""Export a network as a model folder, and read weights back from one."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from modelkit import write_description
from training.corpora.store import Symbols
from training.model.network import FRAME_SAMPLES, WINDOW, Network, NetworkConfig

OPSET = 17

_WIDENED = ".float32"
"""Suffix of a weight's name after the cast from float16."""


def rounded(network: Network) -> Network:
    """Round the weights of `network` to float16 in place and return it: evaluate what is exported."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half().float())
    return network


def export_graph(network: Network, phones: list[str], path: Path) -> None:
    """Write `network` as ONNX, with inputs waveform and lengths, outputs log_probs and frame_lengths.

    Weights that are exact in float16 are stored as such, followed by a cast to float32, which ONNX Runtime
    folds when it loads the graph. The TorchScript exporter without constant folding keeps each weight under
    its parameter's name, which `Graph.load` needs.
    """
    waveform = torch.randn(2, 16000) * 0.1
    lengths = torch.tensor([16000, 12345])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (waveform, lengths),
            str(path),
            input_names=["waveform", "lengths"],
            output_names=["log_probs", "frame_lengths"],
            dynamic_axes={
                "waveform": {0: "batch", 1: "samples"},
                "lengths": {0: "batch"},
                "log_probs": {0: "batch", 1: "frames"},
                "frame_lengths": {0: "batch"},
            },
            opset_version=OPSET,
            dynamo=False,
            do_constant_folding=False,
        )
    model = onnx.load(path)
    store_halves(model)
    model.producer_version = ""
    model.doc_string = ""
    for node in model.graph.node:  # the exporter's notes contain paths of this machine
        node.doc_string = ""
    notes = {f"network.{name}": str(value) for name, value in network.config.as_dict().items()}
    for key, value in {**notes, "phones": " ".join(phones)}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    onnx.save(model, path)


def store_halves(model: onnx.ModelProto) -> None:
    """Store each float32 weight that is exact in float16 as such, followed by a cast."""
    casts = []
    for initializer in model.graph.initializer:
        if initializer.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(initializer)
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if values.size < 1000 or not np.array_equal(halves.astype(np.float32), values):
            continue
        name = initializer.name
        initializer.CopyFrom(numpy_helper.from_array(halves, name))
        casts.append(helper.make_node("Cast", [name], [name + _WIDENED], to=TensorProto.FLOAT))
    widened = {cast.input[0]: cast.output[0] for cast in casts}
    for node in model.graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = widened.get(name, name)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


@dataclass(frozen=True, slots=True)
class Graph:
    """The network from which an exported graph was made."""

    config: NetworkConfig
    phones: list[str]
    weights: dict[str, Tensor]

    @classmethod
    def load(cls, path: Path) -> "Graph":
        """Read the network's shape and weights back from a graph.

        Raises:
            ValueError: the graph was not written by `export_graph`.
        """
        model = onnx.load(path)
        notes = {p.key: p.value for p in model.metadata_props}
        shape = {k.removeprefix("network."): int(v) for k, v in notes.items() if k.startswith("network.")}
        if not shape:
            raise ValueError(f"{path} was not exported by this recipe: it does not name its network.")
        config = NetworkConfig(**shape)
        found = {
            i.name: torch.from_numpy(np.array(numpy_helper.to_array(i))).float()
            for i in model.graph.initializer
        }
        wanted = [name for name, _ in Network(config).named_parameters()]
        missing = [name for name in wanted if name not in found]
        if missing:
            raise ValueError(f"{path} lacks the weights {', '.join(missing[:5])}.")
        return cls(config, notes["phones"].split(" "), {name: found[name] for name in wanted})


def write_folder(network: Network, symbols: Symbols, folder: Path, entries: dict[str, Any]) -> None:
    """Write a model folder: model.onnx, tokens.txt, and model.json with `entries` added."""
    folder.mkdir(parents=True, exist_ok=True)
    export_graph(rounded(network), symbols.phones, folder / "model.onnx")
    tokens = "".join(f"{symbol} {index}\n" for index, symbol in enumerate(symbols.characters))
    (folder / "tokens.txt").write_text(tokens, encoding="utf-8")
    described = {
        "format": 1,
        "name": folder.name,
        "family": "ctc",
        "language": "hi",
        "sample_rate": network.config.sample_rate,
        "frame_stride": FRAME_SAMPLES / network.config.sample_rate,
        "blank_id": 0,
        "min_samples": WINDOW,
        **entries,
        "evaluation": [],
    }
    write_description(folder, described)
