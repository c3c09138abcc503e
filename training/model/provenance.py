"""The entries of model.json about how a model was made."""

from typing import Any

from training.corpora.packages import WHISPER
from training.model.checkpoint import Weights
from training.recipe import ESPEAK, MAX_SECONDS, SYNTHETIC_GROUPS

SYNTHESISERS = {"kokoro": "Kokoro 82M (Apache-2.0), mixed voices", "espeak": f"{ESPEAK}, 79 voices"}


def described(weights: Weights, command: str) -> dict[str, Any]:
    """Return entries for model.json: data of the last training step, all steps, size of the network.

    `command` is the command that made the model.
    """
    recorded: dict[str, float] = {}
    synthetic: dict[str, float] = {}
    for group, by_source in weights.hours.items():
        total = synthetic if group in SYNTHETIC_GROUPS else recorded
        for source, hours in by_source.items():
            name = SYNTHESISERS[group] if group in SYNTHETIC_GROUPS else source
            total[name] = total.get(name, 0.0) + hours
    licences = {package.licence for package, _ in WHISPER.members}
    return {
        "max_segment_seconds": MAX_SECONDS,
        "training": {
            "encoder": f"Whisper base ({', '.join(sorted(licences))})",
            "data": [f"{name}, {hours:.2f} h" for name, hours in [*recorded.items(), *synthetic.items()]],
            "hours_real": round(sum(recorded.values()), 2),
            "hours_synthetic": round(sum(synthetic.values()), 2),
            "updates": sum(step.get("updates", 0) for step in weights.steps),
            "wall_seconds": sum(step.get("seconds", 0) for step in weights.steps),
            "steps": weights.steps,
            "command": command,
            "parameters": sum(weight.numel() for weight in weights.weights.values()),
        },
    }
