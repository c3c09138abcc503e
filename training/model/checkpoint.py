"""Weights on disk: read them from checkpoints and model folders, blend them, average them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modelkit import read_description
from speech.model_folder import read_tokens
from training.corpora.store import Symbols
from training.model.export import Graph
from training.model.network import ENCODER, Network, NetworkConfig

CHECKPOINT = "checkpoint.pt"


@dataclass(slots=True)
class Weights:
    """A network's shape, symbols and weights, with their provenance.

    Attributes:
        hours: hours of training data by group and source, of the last training step.
        steps: steps that made the weights, oldest first: {"step": "refit", "updates": 860, ...}.
    """

    config: NetworkConfig
    phones: list[str]
    characters: list[str]
    weights: dict[str, Tensor]
    hours: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def symbols(self) -> Symbols:
        return Symbols(self.phones, self.characters, self.hours)

    def network(self) -> Network:
        """Make the network with these weights, ready for inference."""
        network = Network(self.config)
        network.load_state_dict(self.weights)
        network.eval()
        return network

    def save(self, path: Path) -> None:
        """Write a file for `read_weights`, atomically."""
        write_whole(path, {"weights": self.weights, **self.facts()})

    def facts(self) -> dict[str, Any]:
        """Return everything except the weights, as plain values."""
        return {
            "config": self.config.as_dict(),
            "phones": self.phones,
            "characters": self.characters,
            "hours": {group: dict(sources) for group, sources in self.hours.items()},
            "steps": json.dumps(self.steps),
        }

    @classmethod
    def of(cls, data: Mapping[str, Any], weights: dict[str, Tensor]) -> "Weights":
        """Make it from `facts` and weights."""
        config = NetworkConfig(**data["config"])
        steps = json.loads(data["steps"])
        return cls(config, data["phones"], data["characters"], weights, data["hours"], steps)


def write_whole(path: Path, data: dict[str, Any]) -> None:
    """Write with `torch.save` to a temporary name, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(data, part)
    part.replace(path)


def read_weights(path: Path) -> Weights:
    """Read the weights of a model folder, a run folder or a file. For a run, the moving average.

    Raises:
        FileNotFoundError: the path is none of these.
        ValueError: the model folder was not written by this recipe.
    """
    if (path / "model.onnx").is_file():
        return _from_model_folder(path)
    file = path / CHECKPOINT if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"{path} is neither a checkpoint, nor a run's folder, nor a model folder.")
    data = torch.load(file, map_location="cpu", weights_only=True)
    return Weights.of(data, data.get("average", data["weights"]))


def _from_model_folder(folder: Path) -> Weights:
    graph = Graph.load(folder / "model.onnx")
    description = read_description(folder)
    steps = description.get("training", {}).get("steps") or [{"step": "start", "model": folder.name}]
    characters = list(read_tokens(folder / "tokens.txt"))
    return Weights(graph.config, graph.phones, characters, graph.weights, {}, steps)


def _of_one_network(many: Sequence[Weights]) -> Weights:
    first = many[0]
    for other in many[1:]:
        if (first.config, first.phones, first.characters) != (other.config, other.phones, other.characters):
            raise ValueError("The weights belong to networks with different shapes or symbols.")
    return first


def _common_start(lists: Sequence[list[dict[str, Any]]]) -> int:
    """Return the length of the longest common prefix of the lists."""
    count = 0
    for entries in zip(*lists, strict=False):
        if any(entry != entries[0] for entry in entries):
            break
        count += 1
    return count


def mean(many: Sequence[Weights], shares: Sequence[float] | None = None) -> Weights:
    """Average the weights of several networks, by default in equal shares.

    M. Wortsman et al., "Model soups" (2022), arXiv:2203.05482.

    Raises:
        ValueError: the shapes or symbols differ, or the number of shares does.
    """
    first = _of_one_network(many)
    shares = shares or [1.0] * len(many)
    total = sum(shares)
    averaged = {
        name: sum(share * other.weights[name] for share, other in zip(shares, many, strict=True)) / total
        for name in first.weights
    }
    shared = _common_start([other.steps for other in many])
    steps = [*first.steps[:shared], *(step for other in many for step in other.steps[shared:])]
    made = {"step": "mean", "of": len(many)}
    hours = next((other.hours for other in many if other.hours), {})
    return Weights(first.config, first.phones, first.characters, averaged, hours, [*steps, made])


def blended(trained: Weights, encoder: Mapping[str, Tensor], share: float, heads: Weights | None) -> Weights:
    """Return `trained` with its encoder moved back by `share`, 0..1, towards its weights before training.

    This weakens what the encoder has learnt about the voices of the training data. M. Wortsman et al.,
    "Robust fine-tuning of zero-shot models" (2022), arXiv:2109.01903.

    Args:
        encoder: weights of the encoder before training, under the network's names.
        heads: source of all other weights. Default: `trained`.

    Raises:
        ValueError: the shape or symbols of `heads` differ.
    """
    heads = heads or trained
    _of_one_network([trained, heads])
    weights = {
        name: torch.lerp(trained.weights[name], encoder[name], share) if name.startswith(ENCODER) else weight
        for name, weight in heads.weights.items()
    }
    steps = [*heads.steps, {"step": "blend", "share": share}]
    return Weights(trained.config, trained.phones, trained.characters, weights, heads.hours, steps)
