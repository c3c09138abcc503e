"""Checkpoints: written beside their final name and renamed, so that a stop leaves a whole one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.network import Network, NetworkConfig

RESPELT = "respelt.pt"


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


def respelt(work: Path) -> Checkpoint | None:
    """A run's checkpoint with the spelling part taught by text, if that was done after its last update."""
    if not (work / RESPELT).exists():
        return None
    found = Checkpoint.load(work / RESPELT)
    return found if found.update == Checkpoint.load(work / "checkpoint.pt").update else None


def newest(work: Path) -> Checkpoint:
    """A run's checkpoint, `respelt` if it is."""
    return respelt(work) or Checkpoint.load(work / "checkpoint.pt")


def blended(checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """The mean of the weights of runs of one network that began alike: what one of them has learnt of its own
    voices is weakened, what all share is not.

    M. Wortsman et al., "Model soups" (ICML 2022). A run that begins here begins with a new optimiser.

    Raises:
        ValueError: the networks differ.
    """
    first = checkpoints[0]
    if any(other.config != first.config for other in checkpoints):
        raise ValueError("Only runs of the same network can be blended.")
    mean = {
        name: sum(other.average[name] for other in checkpoints) / len(checkpoints)
        if weight.is_floating_point()
        else weight
        for name, weight in first.average.items()
    }
    updates, seconds = sum(c.update for c in checkpoints), sum(c.seconds for c in checkpoints)
    return Checkpoint(first.config, updates, mean, mean, {}, seconds)


def averaged_network(checkpoint: Checkpoint) -> Network:
    """The network with the averaged weights, ready for inference."""
    network = Network(checkpoint.config)
    network.load_state_dict(checkpoint.average)
    network.eval()
    return network
