"""From a checkpoint to a model folder, and from a model folder back to weights."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from modelkit.description import write_description
from speech.model import read_tokens
from training.batches import Symbols
from training.checkpoint import Checkpoint
from training.loop import network_config
from training.network import HOP, WINDOW, Network, NetworkConfig
from training.recipe import MAX_SECONDS, SYNTHESISERS
from training.schedule import Settings

OPSET = 17


def export_graph(network: Network, phones: list[str], path: Path) -> None:
    """Write `network` as ONNX: waveform, lengths in; log_probs, frame_lengths out.

    The TorchScript exporter without constant folding keeps each weight under its parameter's name,
    which `Graph.load` needs.
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
    model.producer_version = ""
    model.doc_string = ""
    for node in model.graph.node:  # the exporter's notes name files of the machine it ran on
        node.doc_string = ""
    notes = {f"network.{name}": str(value) for name, value in network.config.as_dict().items()}
    for key, value in {**notes, "phones": " ".join(phones)}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    onnx.save(model, path)


@dataclass(frozen=True, slots=True)
class Graph:
    """What an exported graph tells of the network it was made from."""

    config: NetworkConfig
    phones: list[str]
    weights: dict[str, Tensor]

    @classmethod
    def load(cls, path: Path) -> "Graph":
        """Read the network's shape and weights back from a graph.

        Raises ValueError when the graph was not written by `export_graph`.
        """
        model = onnx.load(path)
        notes = {p.key: p.value for p in model.metadata_props}
        shape = {k.removeprefix("network."): int(v) for k, v in notes.items() if k.startswith("network.")}
        if not shape:
            raise ValueError(f"{path} was not exported by this recipe: it does not name its network.")
        config = NetworkConfig(**shape)
        found = {
            i.name: torch.from_numpy(np.array(numpy_helper.to_array(i))) for i in model.graph.initializer
        }
        network = Network(config)
        missing = [name for name, _ in network.named_parameters() if name not in found]
        if missing:
            raise ValueError(f"{path} lacks the weights {', '.join(missing[:5])}.")
        # Buffers follow from the configuration, and the exporter writes equal ones only once.
        weights = {name: found.get(name, value) for name, value in network.state_dict().items()}
        return cls(config, notes["phones"].split(" "), weights)

    def network(self) -> Network:
        """The PyTorch network, ready for inference."""
        network = Network(self.config)
        network.load_state_dict(self.weights)
        network.eval()
        return network


def as_checkpoint(folder: Path, symbols: Symbols, run: Checkpoint) -> Checkpoint:
    """A model folder as the first update of `run`, which began from it.

    Blocks that the run has added have its own weights, but add nothing.

    Raises:
        ValueError: as `initial_weights`.
    """
    config = run.config
    settings = Settings(width=config.width, inner_blocks=config.inner_blocks)
    weights = initial_weights(folder, symbols, settings, run.average)
    return Checkpoint(config, 0, weights, weights, {}, 0.0)


def initial_weights(
    folder: Path, symbols: Symbols, settings: Settings, added: dict[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """The weights of a model folder to go on training from.

    The run's phones may be others than the model's: what was learnt of a phone goes with its symbol, and a
    new phone starts as unlikely. The run may have more inner blocks: see `deepened`, which takes them from
    `added`, at random where that is not given.

    Raises:
        ValueError: the network or the characters differ, and the weights would mean something else.
    """
    graph = Graph.load(folder / "model.onnx")
    wanted = network_config(symbols, settings)
    fewer = wanted.inner_blocks < graph.config.inner_blocks
    grown = replace(graph.config, phones=wanted.phones, inner_blocks=wanted.inner_blocks)
    if fewer or grown != wanted:
        raise ValueError(
            f"{folder} is the network {graph.config.as_dict()}, this run's is {wanted.as_dict()}."
        )
    if list(read_tokens(folder / "tokens.txt")) != symbols.characters:
        raise ValueError(f"{folder} writes other characters than this run's store.")
    old = {phone: index for index, phone in enumerate(graph.phones)}
    known = [(new, old[phone]) for new, phone in enumerate(symbols.phones) if phone in old]
    new_rows, old_rows = [pair[0] for pair in known], [pair[1] for pair in known]
    fresh = Network(wanted).state_dict() if added is None else added
    weights = deepened(graph.weights, fresh, graph.config.inner_blocks)
    weight, bias = weights["phone_head.weight"], weights["phone_head.bias"]
    weights["phone_head.weight"] = weight.new_zeros(wanted.phones, weight.shape[1])
    weights["phone_head.bias"] = bias.new_full((wanted.phones,), float(bias.min()))
    weights["phone_head.weight"][new_rows], weights["phone_head.bias"][new_rows] = (
        weight[old_rows],
        bias[old_rows],
    )
    spelt = weights["spelling_in.weight"]
    weights["spelling_in.weight"] = spelt.new_zeros(spelt.shape[0], wanted.phones)
    weights["spelling_in.weight"][:, new_rows] = spelt[:, old_rows]
    return weights


def deepened(weights: dict[str, Tensor], fresh: dict[str, Tensor], blocks: int) -> dict[str, Tensor]:
    """`weights` of a network of so many inner blocks with those that `fresh` has more of behind them.

    A new block's branches add nothing at first, and its last norm is that of the block before it, so that the
    network begins nearly where the smaller one stood. T. Chen et al., "Net2Net" (ICLR 2016), the idea.
    """
    made = dict(weights)
    last = f"inner.blocks.{blocks - 1}.norm."
    for name, weight in fresh.items():
        parts = name.split(".")
        if parts[:2] != ["inner", "blocks"] or int(parts[2]) < blocks:
            continue
        if parts[3] == "norm":
            made[name] = weights[last + parts[4]].clone()
        elif parts[4] in ("down", "out"):
            made[name] = weight.new_zeros(weight.shape)
        else:
            made[name] = weight.clone()
    return made


def described(checkpoint: Checkpoint, symbols: Symbols, command: str) -> dict[str, Any]:
    """What model.json says of a run made by `command`: its data, hours, updates, and its network's size."""
    trained = {
        name.removesuffix(" (train)"): hours
        for name, hours in sorted(symbols.hours.items())
        if name.endswith(" (train)")
    }
    spoken = {name: trained.pop(name, 0.0) for name in SYNTHESISERS}
    data = [f"{name}, {hours:.2f} h" for name, hours in trained.items()]
    data += [f"{SYNTHESISERS[name]}, {hours:.2f} h" for name, hours in spoken.items() if hours]
    return {
        "max_segment_seconds": MAX_SECONDS,
        "training": {
            "data": data,
            "hours_real": round(sum(trained.values()), 2),
            "hours_synthetic": round(sum(spoken.values()), 2),
            "updates": checkpoint.update,
            "wall_seconds": round(checkpoint.seconds),
            "command": command,
            "parameters": sum(w.numel() for w in Network(checkpoint.config).parameters()),
        },
    }


def write_folder(network: Network, symbols: Symbols, folder: Path, entries: dict[str, Any]) -> None:
    """A model folder in `folder`: model.onnx, tokens.txt and model.json with `entries` added."""
    folder.mkdir(parents=True, exist_ok=True)
    export_graph(network, symbols.phones, folder / "model.onnx")
    tokens = "".join(f"{symbol} {index}\n" for index, symbol in enumerate(symbols.characters))
    (folder / "tokens.txt").write_text(tokens, encoding="utf-8")
    described = {
        "format": 1,
        "name": folder.name,
        "family": "ctc",
        "language": "hi",
        "sample_rate": network.config.sample_rate,
        "frame_stride": 4 * HOP / network.config.sample_rate,
        "blank_id": 0,
        "min_samples": WINDOW,
        **entries,
        "evaluation": [],
    }
    write_description(folder, described)
