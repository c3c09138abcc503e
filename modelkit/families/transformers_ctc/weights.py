"""Load a transformers network with our own loader: it runs no code from the source and accepts no missing
weight."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
import transformers

from modelkit.errors import SourceInvalid
from modelkit.sources.pickled import load_state_dict, weight_names

RENAMED: Final = {
    ".weight_g": ".parametrizations.weight.original0",
    ".weight_v": ".parametrizations.weight.original1",
}
"""Weight normalisation before and since PyTorch 2.0."""

HEAD: Final = "lm_head.bias"
SAMPLE_RATES: Final = range(8_000, 48_001)
ONLY_FOR_TRAINING: Final = "masked_spec_embed"


def load_network(
    source: Path, config: Mapping[str, Any], architecture: str, adapter: Path | None = None
) -> Any:
    """Build a network in evaluation mode, float32, on the CPU.

    Args:
        config: the content of config.json.
        architecture: class in transformers.
        adapter: weights of one language, which replace those of the same name.

    Raises:
        SourceInvalid: config.json describes no such network, or weights are missing, unexpected or of another
            shape.
        WeightsUnsafe: see `load_state_dict`.
    """
    weights = next(iter(weight_names(path.name for path in source.iterdir())), "model.safetensors")
    state = load_state_dict(source / weights)
    if adapter is not None:
        state |= load_state_dict(adapter)
        if HEAD in state:  # each language has its own tokens
            config = {**config, "vocab_size": len(state[HEAD])}
    network = _without_weights(config, architecture)
    expected = network.state_dict()
    state = {_renamed(name, expected): value for name, value in state.items()}
    state = {name: value for name, value in state.items() if not name.endswith(ONLY_FOR_TRAINING)}
    for name, value in expected.items():
        if name.endswith(ONLY_FOR_TRAINING):
            state[name] = torch.zeros(value.shape)
    _check(expected, state)
    network.load_state_dict({name: value.float() for name, value in state.items()}, assign=True)
    for module in network.modules():
        if any(buffer.is_meta for buffer in module.buffers(recurse=False)):
            module.to_empty(device="cpu", recurse=False)
            network._init_weights(module)  # position tables are not in checkpoints
    return network.eval().requires_grad_(False)


def load_extractor(source: Path, kind: str) -> Any:
    """Load the feature extractor of the original pipeline.

    Args:
        kind: class in transformers.

    Raises:
        SourceInvalid: its settings cannot be used.
    """
    try:
        extractor = getattr(transformers, kind).from_pretrained(source, local_files_only=True)
    except Exception as error:  # its types are many
        raise SourceInvalid(f"The settings of the {kind} cannot be used: {error}") from error
    if extractor.sampling_rate not in SAMPLE_RATES:
        raise SourceInvalid(
            f"'sampling_rate' of the {kind} is {extractor.sampling_rate!r}; "
            f"{SAMPLE_RATES.start} to {SAMPLE_RATES[-1]} hertz are possible."
        )
    return extractor


def _without_weights(config: Mapping[str, Any], architecture: str) -> Any:
    kind = getattr(transformers, architecture)
    try:
        settings = kind.config_class.from_dict(dict(config))
        settings._attn_implementation = "eager"  # its masks can be traced with dynamic shapes
        with torch.device("meta"):
            return kind(settings)
    except Exception as error:  # transformers validates with types of several packages
        raise SourceInvalid(f"config.json describes no {architecture} that can be built: {error}") from error


def _renamed(name: str, expected: Mapping[str, Any]) -> str:
    for old, new in RENAMED.items():
        if name.endswith(old) and name.removesuffix(old) + new in expected:
            return name.removesuffix(old) + new
    return name


def _check(expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> None:
    """Compare names and shapes."""
    problems = {
        "missing": sorted(expected.keys() - found.keys()),
        "unexpected": sorted(found.keys() - expected.keys()),
        "of another shape": sorted(
            name for name in expected.keys() & found.keys() if expected[name].shape != found[name].shape
        ),
    }
    for problem, names in problems.items():
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise SourceInvalid(
                f"The weights do not match config.json. {problem.capitalize()}: {', '.join(names[:3])}{more}."
            )
