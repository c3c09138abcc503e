"""Checkpoints: written beside their final name and renamed, so that a stop leaves a whole one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.network import Network, NetworkConfig


@dataclass(slots=True)
class Checkpoint:
    """`average` is the moving average of the weights: what is evaluated and exported."""

    config: NetworkConfig
    update: int
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    optimiser: dict[str, Any]
    seconds: float

    def save(self, path: Path) -> None:
        part = path.with_suffix(".part")
        torch.save(
            {
                "config": self.config.as_dict(),
                "update": self.update,
                "weights": self.weights,
                "average": self.average,
                "optimiser": self.optimiser,
                "seconds": self.seconds,
            },
            part,
        )
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        data = torch.load(path, map_location="cpu", weights_only=True)
        config = NetworkConfig(**data["config"])
        return cls(
            config, data["update"], data["weights"], data["average"], data["optimiser"], data["seconds"]
        )


def averaged_network(checkpoint: Checkpoint) -> Network:
    """The network with the averaged weights, ready for inference."""
    network = Network(checkpoint.config)
    network.load_state_dict(checkpoint.average)
    network.eval()
    return network
